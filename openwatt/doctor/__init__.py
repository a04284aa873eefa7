"""Is the whole stack really alive? The production checklist of the operators' guide as a command."""
