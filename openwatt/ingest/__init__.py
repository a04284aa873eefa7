"""The ingestion: it fetches suppliers' documents, reads and checks them, and publishes their tariffs."""
