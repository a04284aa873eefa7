"""The HTTP side: the API, its contract and its documentation."""
