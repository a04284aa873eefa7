"""What PostgreSQL refuses while a database is made ready, in a sentence with the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from openwatt.store.errors import DatabaseAwayError, RefusedError


@contextmanager
def refusals(connection: psycopg.Connection[object]) -> Iterator[None]:
    """Turns what the server refuses within a block into errors of ours.

    Raises:
        RefusedError: naming the remedy.
        DatabaseAwayError: the connection broke.
    """
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        user, database = connection.info.user, connection.info.dbname
        if isinstance(error, errors.InsufficientPrivilege):
            raise RefusedError(f"{_may_not(said, user, database)}") from error
        if isinstance(error, errors.ReadOnlySqlTransaction):
            raise RefusedError(
                f"the database {database} is read-only ({said}): name the primary server in "
                "OPENWATT_DATABASE_URL, with several hosts by ?target_session_attrs=read-write"
            ) from error
        if isinstance(error, errors.InvalidSchemaName):
            raise RefusedError(
                f"the user {user} has no schema to use in the database {database} ({said}): "
                f"create schema public, or set the search_path of the user to one that exists"
            ) from error
        if isinstance(error, errors.DiskFull):
            raise RefusedError(
                f"the disk of the database is full ({said}): free some of it, then start again"
            ) from error
        if isinstance(error, psycopg.OperationalError) and connection.broken:
            raise DatabaseAwayError(f"the database does not answer: {said}") from error
        raise RefusedError(
            f"the database {database} refuses to be made ready ({said}): see the log of PostgreSQL"
        ) from error


def _may_not(said: str, user: str, database: str) -> str:
    if said.startswith("permission denied for schema"):
        schema = said.removeprefix("permission denied for schema").strip()
        return (
            f"the user {user} may not create tables in the database {database} ({said}): let it own the "
            f"database, by `alter database {database} owner to {user}`, or say there, as its owner, "
            f"`grant usage, create on schema {schema} to {user}`"
        )
    return (
        f"the user {user} may not change what is in the database {database} ({said}): "
        "let OPENWATT_DATABASE_URL name the user that owns its tables"
    )
