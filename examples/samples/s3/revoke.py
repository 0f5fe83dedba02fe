import requests

response = requests.delete(
    'https://api.example.com/api/api-keys/KEY_ID',
    headers={'Authorization': 'Bearer YOUR_API_KEY'}
)
data = response.json()
