"""Summaries of a portfolio's results by group: the offer that is cheapest, and what homes would save."""
