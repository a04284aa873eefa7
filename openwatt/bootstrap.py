"""Starts the database and makes it ready: running, migrated, filled with the shipped catalogue."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from openwatt.catalogue.loader import load_catalogue
from openwatt.settings import Settings, SettingsError, variable_of
from openwatt.store.database import READ_DEADLINE_S, bind_to_history
from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.errors import DatabaseUnavailableError
from openwatt.store.migrate import migrate
from openwatt.store.pooler import check_sessions
from openwatt.store.refusals import login_refused, refusals
from openwatt.store.sql import statement

logger = logging.getLogger(__name__)

#: Why a service works as the user that owns the tables, and the remedy.
UNBOUND = (
    "the user of OPENWATT_DATABASE_URL may not take on the role openwatt_writer: let an administrator say "
    "`create role openwatt_writer nologin` where it is missing, then `grant openwatt_writer to` that user"
)


@functools.cache
def _embedded(data_dir: Path) -> EmbeddedPostgres:
    """The one object of each folder: it knows whether this process holds the server."""
    return EmbeddedPostgres(data_dir)


class _ExternalAddress:
    """The address of an external PostgreSQL, read again at each new connection where it stands in a file.

    So every running process uses a rotated password. While the file cannot be
    used, the address that was last read stays in use.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last = str(settings.database_url)
        self._fault = ""

    def __call__(self) -> str:
        try:
            self._last, fault = str(self._settings.current_secret("database_url")), ""
        except SettingsError as error:
            fault = str(error)
        if fault != self._fault:
            self._fault = fault
            if fault:
                logger.error(
                    "the database's address cannot be read again: the last one goes on",
                    extra={"reason": fault},
                )
        return self._last


def locate_database(settings: Settings, *, start: bool = True) -> Callable[[], str]:
    """Returns the function that gives the connection string; with `start` it starts an embedded server.

    A process that only observes starts nothing: it does not hold the server, so nothing would stop it.
    """
    if settings.database_url:
        return _ExternalAddress(settings)
    server = _embedded(settings.data_dir)
    return server.ensure_running if start else server.conninfo


def database_environment(settings: Settings) -> dict[str, str]:
    """The settings with which a child process uses this database, and never starts one of its own.

    Raises:
        DatabaseUnavailableError: the embedded server cannot be started.
    """
    url = locate_database(settings)()
    if not settings.database_url:
        url = f"postgresql:///?{urlencode(conninfo_to_dict(url))}"
    return {
        variable_of("database_url"): url,
        variable_of("data_dir"): str(settings.data_dir.resolve()),
        variable_of("environment"): settings.environment,
    }


def hold_database(settings: Settings) -> None:
    """Keeps the embedded server running until `release_database`; an external PostgreSQL needs nothing."""
    if not settings.database_url:
        _embedded(settings.data_dir).acquire()


def release_database(settings: Settings) -> None:
    """Undoes one `hold_database`; the last process that does so stops the embedded server."""
    if not settings.database_url:
        _embedded(settings.data_dir).release()


@contextmanager
def held_database(settings: Settings) -> Iterator[None]:
    """Holds the database for the length of a block."""
    hold_database(settings)
    try:
        yield
    finally:
        release_database(settings)


def connect(settings: Settings, *, start: bool = True, timeout_s: int = 10) -> psycopg.Connection[Any]:
    """Opens a connection for long work: migrating, publishing, exporting.

    `start` as for `locate_database`; `timeout_s` is how long it waits for the server.

    Raises:
        DatabaseUnavailableError: with the server's own words.
        PoolerError: a pooler between here and there does not keep sessions.
    """
    conninfo = locate_database(settings, start=start)()
    try:
        connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=timeout_s)
        try:
            check_sessions(connection, conninfo)
        except BaseException:
            connection.close()
            raise
    except psycopg.Error as error:
        message = " ".join(str(error).split())
        if "local user with ID" in message:  # libpq takes the account's name where none is written
            message += ": let OPENWATT_DATABASE_URL name the user, as postgresql://user@host/database"
        refused = login_refused(message)
        raise DatabaseUnavailableError(refused or f"the database does not answer: {message}") from error
    return connection


def prepare_database(settings: Settings) -> None:
    """Migrates the database and loads the catalogue, where that is still to do.

    Raises:
        DatabaseUnavailableError, PoolerError, PrivilegeError, SchemaError, CatalogueError: when it cannot be.
    """
    with connect(settings) as connection:
        applied = migrate(connection)
        loaded = load_catalogue(connection)
        with refusals(connection):  # what a reader's connection would be refused is reported here, once
            is_bound = bind_to_history(connection, READ_DEADLINE_S)
            connection.execute(statement("schema/number"))
    if not is_bound:
        logger.warning("the history is protected by triggers alone", extra={"reason": UNBOUND})
    if applied or loaded:
        logger.info("database prepared", extra={"migrations": applied, "facts_loaded": loaded})
