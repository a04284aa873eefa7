"""The embedded PostgreSQL: its server, its paths, the processes that hold it."""
