"""What a home's use would have cost under each contract: one use case for every door (API, page, command)."""
