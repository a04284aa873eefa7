"""The kernel of a portfolio: batches of homes in, rows out, without opening or storing anything."""
