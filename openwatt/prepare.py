"""Makes the database ready to be asked: running, migrated, filled with the shipped catalogue."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from openwatt.catalogue.load import load_catalogue
from openwatt.settings import Settings, variable_of
from openwatt.store.embedded import EmbeddedPostgres
from openwatt.store.errors import DatabaseAwayError
from openwatt.store.migrate import migrate

logger = logging.getLogger(__name__)


@functools.cache
def _embedded(data_dir: Path) -> EmbeddedPostgres:
    """One object for each folder, so that a process knows whether it is a user of the server."""
    return EmbeddedPostgres(data_dir)


def locate_database(settings: Settings, *, start: bool = True) -> Callable[[], str]:
    """What tells where the database is; with `start`, an embedded one that is down is started by asking.

    Who only watches starts nothing: it is no user of the server, so nobody would stop it.
    """
    if settings.database_url:
        url = settings.database_url
        return lambda: url
    server = _embedded(settings.data_dir)
    return server.ensure_running if start else server.conninfo


def database_environment(settings: Settings) -> dict[str, str]:
    """The settings by which a process of ours uses this database, and never starts one of its own.

    Raises:
        DatabaseAwayError: the embedded server cannot be brought up.
    """
    url = settings.database_url
    if not url:
        url = f"postgresql:///?{urlencode(conninfo_to_dict(locate_database(settings)()))}"
    return {
        variable_of("database_url"): url,
        variable_of("data_dir"): str(settings.data_dir.resolve()),
        variable_of("environment"): settings.environment,
    }


def hold_database(settings: Settings) -> None:
    """Keeps the embedded server up until `release_database`; another PostgreSQL keeps itself up."""
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


def connect(settings: Settings, *, start: bool = True, patience_s: int = 10) -> psycopg.Connection[Any]:
    """A connection for work that takes its time: migrating, publishing, exporting.

    `start` as for `locate_database`; `patience_s` is how long it waits for the server.

    Raises:
        DatabaseAwayError: with the server's own words.
    """
    try:
        return psycopg.connect(
            locate_database(settings, start=start)(), autocommit=True, connect_timeout=patience_s
        )
    except psycopg.OperationalError as error:
        raise DatabaseAwayError(f"the database does not answer: {error}") from error


def prepare_database(settings: Settings) -> None:
    """Migrates the database and loads the catalogue, where that is still to do.

    Raises:
        DatabaseAwayError, SchemaError, CatalogueError: when it cannot be made ready.
    """
    with connect(settings) as connection:
        applied = migrate(connection)
        loaded = load_catalogue(connection)
    if applied or loaded:
        logger.info("database prepared", extra={"migrations": applied, "facts_loaded": loaded})
