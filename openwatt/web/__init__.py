"""The HTTP side: the machinery of HTTP, the API and the pages."""
