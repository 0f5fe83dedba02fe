import requests

response = requests.get(
    'https://api.example.com/api/sources',
    headers={'Authorization': 'Bearer YOUR_API_KEY'}
)
data = response.json()
