"""Fetching a document from its address: politely, within limits, retried where that helps."""
