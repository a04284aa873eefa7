"""The billing of many homes: a pure kernel, and a local run that reads homes and writes rows."""
