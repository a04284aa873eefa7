"""The readers of documents: pure functions from a document to a reading."""
