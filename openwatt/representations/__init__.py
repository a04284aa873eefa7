"""What the API and the command line show of our values: one type for each JSON object and each row of CSV."""
