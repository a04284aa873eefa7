"""PostgreSQL: the store of tariffs, and the only package with SQL."""
