const response = await fetch('https://api.example.com/api/api-keys', {
  method: 'POST',
  headers: {
    'Authorization': 'Bearer YOUR_API_KEY',
    'Content-Type': 'application/json'
  },
  body: JSON.stringify({
    name: 'GitHub Actions',
    scopes: ['read', 'write'],
    expiresInDays: 90
  })
});
const data = await response.json();
