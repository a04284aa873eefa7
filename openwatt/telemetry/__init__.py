"""Logs, log shipping, metrics and error reports: the package imports nothing else of ours."""
