"""SQL statements by name: one statement per file of `queries/`, read once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(name: str) -> LiteralString:
    """The text of `queries/<name>.sql`: it ships with the product and never comes from a request."""
    return (files(__package__) / "queries" / f"{name}.sql").read_text("utf-8")
