curl https://api.example.com/api/sources \
  -H "X-API-Key: YOUR_API_KEY"
