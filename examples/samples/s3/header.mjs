const response = await fetch('https://api.example.com/api/sources', {
  headers: {
    'X-API-Key': 'YOUR_API_KEY'
  }
});
const data = await response.json();
