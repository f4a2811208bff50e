"""What the tests share: deployments, the wire, schedules, records and inspection."""
