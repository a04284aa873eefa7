"""Where the rows of a portfolio go: their forms, the output and its storage."""
