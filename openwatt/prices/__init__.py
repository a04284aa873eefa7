"""The price of a kilowatt hour over time for one contract: one use case for API, page and command."""
