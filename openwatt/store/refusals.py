"""Errors of PostgreSQL while a database is prepared, as sentences with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from openwatt.store.errors import DatabaseUnavailableError, PrivilegeError
from openwatt.store.sql import statement


@contextmanager
def refusals(connection: psycopg.Connection[object]) -> Iterator[None]:
    """Converts errors of the server within a block into errors of the store.

    Raises:
        PrivilegeError: naming the remedy.
        DatabaseUnavailableError: the connection broke.
    """
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or " ".join(str(error).split())
        user, database = connection.info.user, connection.info.dbname
        if isinstance(error, errors.InsufficientPrivilege):
            raise PrivilegeError(
                _missing_right(message, user, database, is_owner=_owns_database(connection))
            ) from error
        if isinstance(error, errors.ReadOnlySqlTransaction):
            raise PrivilegeError(
                f"the database {database} is read-only ({message}): name the primary server in "
                "OPENWATT_DATABASE_URL, with several hosts by ?target_session_attrs=read-write"
            ) from error
        if isinstance(error, errors.InvalidSchemaName):
            raise PrivilegeError(
                f"the user {user} has no schema to use in the database {database} ({message}): "
                f"create schema public, or set the search_path of the user to one that exists"
            ) from error
        if isinstance(error, errors.DiskFull):
            raise PrivilegeError(
                f"the disk of the database is full ({message}): free some of it, then start again"
            ) from error
        if isinstance(error, psycopg.OperationalError) and connection.broken:
            raise DatabaseUnavailableError(f"the database does not answer: {message}") from error
        raise PrivilegeError(
            f"the database {database} refuses to be made ready ({message}): see the log of PostgreSQL"
        ) from error


#: The message of a server that refuses a login, and the remedy. A message in another language is shown
#: without one.
_LOGINS = (
    (r"permission denied for database", "let its owner say `grant connect on database … to …`"),
    (r"password authentication failed", "let OPENWATT_DATABASE_URL hold the password of that user"),
    (r"no password supplied", "let OPENWATT_DATABASE_URL hold the password of that user"),
    (r'role "[^"]*" (?:does not exist|is not permitted to log in)', "create it by `create role … login`"),
    (r'database "[^"]*" does not exist', "create it by `create database … owner …`"),
    (r"no pg_hba\.conf entry", "let this machine in by a line of its pg_hba.conf"),
)


def login_refused(message: str) -> str | None:
    """The remedy for a login that a server refused with this message; None where it was not reached."""
    for pattern, remedy in _LOGINS:
        if re.search(pattern, message):
            return f"the database's server refuses the connection: {message}: {remedy}"
    return None


def _owns_database(connection: psycopg.Connection[object]) -> bool:
    """Whether the user owns the database, which without INHERIT gives no right to create tables before 16."""
    try:
        row: Any = connection.execute(
            statement("database/owner"), {"database": connection.info.dbname}
        ).fetchone()
    except psycopg.Error:
        return False
    return row is not None and bool(row[1])


def _missing_right(message: str, user: str, database: str, *, is_owner: bool) -> str:
    if message.startswith("permission denied for schema"):
        schema = message.removeprefix("permission denied for schema").strip()
        may_not = f"the user {user} may not create tables in the database {database} ({message}): "
        grant = f"`grant usage, create on schema {schema} to {user}`"
        if is_owner:
            return f"{may_not}say there, as an administrator, {grant}"
        own = f"`alter database {database} owner to {user}`"
        return f"{may_not}let it own the database, by {own}, or say there, as its owner, {grant}"
    return (
        f"the user {user} may not change what is in the database {database} ({message}): "
        "let OPENWATT_DATABASE_URL name the user that owns its tables"
    )
