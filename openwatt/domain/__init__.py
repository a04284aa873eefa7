"""What a tariff is and what a bill costs: values and functions, nothing from outside."""
