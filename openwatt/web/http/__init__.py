"""HTTP itself: the request lifecycle, rate limits, the response cache, problems, bodies, workers."""
