export HOOKBASE_API_KEY="YOUR_API_KEY"
hookbase sources list
