"""PostgreSQL: where tariffs are kept, and the only package that speaks SQL."""
