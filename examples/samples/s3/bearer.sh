curl https://api.example.com/api/sources \
  -H "Authorization: Bearer YOUR_API_KEY"
