import requests

response = requests.get(
    'https://api.example.com/api/sources',
    headers={'X-API-Key': 'YOUR_API_KEY'}
)
data = response.json()
