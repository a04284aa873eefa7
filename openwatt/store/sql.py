"""SQL statements by name: one statement per file of `queries/<subject>/`, read once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

_QUERIES = files(__package__) / "queries"


@cache
def statement(name: str) -> LiteralString:
    """The text of `queries/<subject>/<name>.sql`, by "subject/name". It never comes from a request."""
    return (_QUERIES / f"{name}.sql").read_text("utf-8")


def read_statements() -> None:
    """Reads every statement, so that none is read later from a file that an upgrade has replaced."""
    for subject in _QUERIES.iterdir():
        if subject.is_dir():
            for file in subject.iterdir():
                statement(f"{subject.name}/{file.name.removesuffix('.sql')}")
