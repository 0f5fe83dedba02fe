aphids-cli --api-key $HIVE_API_KEY --runbook RUNBOOK_ID --target-url https://example.com
