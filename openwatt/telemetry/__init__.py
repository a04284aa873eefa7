"""Logs, metrics and error reports: everyone speaks to it, it speaks to none of ours."""
