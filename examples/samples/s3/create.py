import requests

response = requests.post(
    'https://api.example.com/api/api-keys',
    headers={
        'Authorization': 'Bearer YOUR_API_KEY',
        'Content-Type': 'application/json'
    },
    json={
        'name': 'GitHub Actions',
        'scopes': ['read', 'write'],
        'expiresInDays': 90
    }
)
data = response.json()
