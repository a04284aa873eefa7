"""Bills many homes: a pure kernel, and the local run that reads, keeps and joins its parts."""
