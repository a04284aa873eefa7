"""The comparison of contracts for a customer: one use case for API, page, commands and portfolios."""
