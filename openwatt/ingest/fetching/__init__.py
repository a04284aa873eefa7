"""The fetching of documents from their addresses: politely, within limits, retried where that helps."""
