"""The domain: tariffs and bills as values and functions without input or output."""
