"""Facts that ship with the product, each row with its source and dates."""
