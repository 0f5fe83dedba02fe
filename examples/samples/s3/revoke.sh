curl -X DELETE https://api.example.com/api/api-keys/KEY_ID \
  -H "Authorization: Bearer YOUR_API_KEY"
