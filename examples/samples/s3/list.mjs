const response = await fetch('https://api.example.com/api/api-keys', {
  headers: {
    'Authorization': 'Bearer YOUR_API_KEY'
  }
});
const data = await response.json();
