import requests

response = requests.get(
    'https://api.example.com/api/api-keys',
    headers={'Authorization': 'Bearer YOUR_API_KEY'}
)
data = response.json()
