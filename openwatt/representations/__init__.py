"""The JSON objects and CSV rows of the API and the commands, each one type."""
