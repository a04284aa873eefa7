"""Faults provoked on purpose and followed through the whole chain: the guide's scenarios as exercises."""
