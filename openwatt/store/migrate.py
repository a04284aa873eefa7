"""Brings a database to the schema of this code, whole or not at all."""

import re
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from openwatt.store.database import Database
from openwatt.store.errors import SchemaError
from openwatt.store.refusals import refusals
from openwatt.store.sql import statement

LEAST_POSTGRESQL = 14


@cache
def migrations() -> dict[int, tuple[str, LiteralString]]:
    """Number → (name, SQL) of every migration that ships with this code, oldest first."""
    found = {}
    for entry in (files(__package__) / "migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name):
            found[int(match[1])] = (match[2], entry.read_text("utf-8"))
    return dict(sorted(found.items()))


def newest_schema() -> int:
    """The schema number that this code knows."""
    return max(migrations())


def read_schema(database: Database) -> int:
    """The schema number of a database that may never have been made ready.

    Raises:
        SchemaError: it has none, or the user may not read it.
        DatabaseUnavailableError: it does not answer.
    """
    try:
        return database.read_number("schema/number")
    except psycopg.errors.UndefinedTable as error:
        raise SchemaError("the database holds nothing of OpenWatt: run `openwatt migrate`") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            "the user may not read what OpenWatt has put there: let OPENWATT_DATABASE_URL name the "
            "user that owns its tables"
        ) from error


def check_schema(found: int) -> None:
    """Refuses to read from a database whose schema is not the one of this code.

    Raises:
        SchemaError: naming both numbers and the remedy.
    """
    _refuse_newer(found)
    if found < newest_schema():
        raise SchemaError(
            f"the database has schema {found}, this OpenWatt needs {newest_schema()}: run `openwatt migrate`"
        )


def _refuse_newer(found: int) -> None:
    if found > newest_schema():
        raise SchemaError(
            f"the database has schema {found}, this OpenWatt knows only up to {newest_schema()}: "
            "deploy the newer OpenWatt again, or point it at another database"
        )


def migrate(connection: psycopg.Connection[Any]) -> list[str]:
    """Applies what is missing and returns the names of what it applied.

    Everything happens in one transaction under an advisory lock: of several
    processes that start at once one migrates, the others wait and find it done.

    Raises:
        SchemaError: when the database is newer than this code, its PostgreSQL too old, or its text no UTF-8.
        PrivilegeError: when the server refuses.
    """
    if connection.info.server_version < LEAST_POSTGRESQL * 10_000:
        raise SchemaError(
            f"PostgreSQL {connection.info.server_version // 10_000} is too old: "
            f"OpenWatt needs {LEAST_POSTGRESQL} or newer"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SchemaError(
            f"the database {connection.info.dbname} keeps text as {encoding}: make it again by "
            f"`create database … encoding 'UTF8' template template0`"
        )
    with refusals(connection), connection.transaction():
        connection.execute(statement("schema/lock"))
        connection.execute(statement("schema/create_migrations"))
        (found,) = connection.execute(statement("schema/number")).fetchone() or (0,)
        _refuse_newer(found)
        applied = []
        for number, (name, sql) in migrations().items():
            if number > found:
                connection.execute(sql)
                connection.execute(statement("schema/record_migration"), {"number": number, "name": name})
                applied.append(f"{number:04}_{name}")
        connection.execute(statement("schema/grant_writer"))
    return applied
