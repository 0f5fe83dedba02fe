curl -H "X-Api-Key: $HIVE_API_KEY" https://api.example.com/endpoint
