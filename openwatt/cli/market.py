"""The market of a command: the contracts and colours of the database, as the service has them."""

from collections.abc import Iterator
from contextlib import contextmanager

from openwatt.bootstrap import held_database, locate_database, prepare_database
from openwatt.comparison.market import StoredMarket
from openwatt.settings import Settings
from openwatt.store.database import Database


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database, which is started and made ready where it is not.

    Raises:
        DatabaseUnavailableError: when the database does not answer.
    """
    with held_database(settings):
        prepare_database(settings)
        database = Database(locate_database(settings))
        try:
            yield database
        finally:
            database.close()


@contextmanager
def stored_market(settings: Settings) -> Iterator[StoredMarket]:
    """The market of the database. Raises DatabaseUnavailableError when that does not answer."""
    with opened_database(settings) as database:
        yield StoredMarket(database, lambda: 0)
