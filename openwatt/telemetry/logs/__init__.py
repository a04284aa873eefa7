"""The log records: their fields, their formatters, the handlers that write them, the search in their file."""
