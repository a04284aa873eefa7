"""SQL statements by name: one statement per file of `queries/<subject>/`, read once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

_QUERIES = files(__package__) / "queries"


@cache
def statement(name: str) -> LiteralString:
    """The text of `queries/<subject>/<name>.sql`, by "subject/name". It never comes from a request.

    Comments and indentation are left out: psycopg looks for the parameters of a text of more
    than 4,096 characters at every execution, and of a shorter one once.
    """
    lines = map(str.strip, (_QUERIES / f"{name}.sql").read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


def read_statements() -> None:
    """Reads every statement, so that none is read later from a file that an upgrade has replaced."""
    for subject in _QUERIES.iterdir():
        if subject.is_dir():
            for file in subject.iterdir():
                statement(f"{subject.name}/{file.name.removesuffix('.sql')}")
