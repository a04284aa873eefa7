"""The readers of a customer's meter file: one a maker, chosen by the content."""
