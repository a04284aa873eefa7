"""A customer's file from the meter → a load curve; one reader per maker, chosen by looking at the content."""
