curl https://api.example.com/api/api-keys \
  -H "Authorization: Bearer YOUR_API_KEY"
