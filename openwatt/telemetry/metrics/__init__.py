"""The metrics: what Prometheus reads, and the files that the workers share for it."""
