"""SQL statements by name: one statement per file of `queries/<subject>/`, read once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(name: str) -> LiteralString:
    """The text of `queries/<subject>/<name>.sql`, by "subject/name". It never comes from a request."""
    return (files(__package__) / "queries" / f"{name}.sql").read_text("utf-8")
