"""A pooler that gives a connection another session for each transaction is found out; another one is used."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from openwatt.bootstrap import connect, prepare_database
from openwatt.settings import Settings
from openwatt.store.database import Database
from openwatt.store.errors import PoolerError
from tests.background import threads
from tests.pgbouncer import pgbouncer


@contextmanager
def traffic(url: str, clients: int) -> Iterator[None]:
    """Other clients of the same pool, that use it all the time."""

    def query(_: int, stopped: threading.Event) -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            while not stopped.wait(0.001):
                connection.execute("select pg_sleep(0.002)")

    with threads(clients, query):
        yield


@pytest.mark.parametrize(
    ("mode", "settings", "clients"),
    [
        ("transaction", {}, 0),
        ("transaction", {}, 6),
        ("transaction", {"default_pool_size": 1}, 0),
        ("transaction", {"server_round_robin": 1}, 6),
        ("statement", {}, 0),
        ("statement", {}, 6),
    ],
)
def test_a_pooler_that_keeps_no_sessions_is_refused_with_the_remedy(
    empty_url: str, mode: str, settings: dict[str, int], clients: int
) -> None:
    with pgbouncer(empty_url, mode, **settings) as url, traffic(url, clients):
        for _ in range(5):
            with pytest.raises(PoolerError, match="set pool_mode = session for this database there, or name"):
                connect(Settings(database_url=url))


@pytest.mark.parametrize(("settings", "clients"), [({}, 0), ({}, 6), ({"default_pool_size": 1}, 0)])
def test_a_pooler_that_keeps_sessions_is_used(empty_url: str, settings: dict[str, int], clients: int) -> None:
    with pgbouncer(empty_url, "session", **settings) as url, traffic(url, clients):
        for _ in range(2):  # what the first has bound its session to does not bind the second's
            prepare_database(Settings(database_url=url))
        database = Database(lambda: url)
        try:
            assert database.read_number("schema/number") > 0
        finally:
            database.close()


def test_without_a_pooler_nothing_is_tried(empty_url: str) -> None:
    with connect(Settings(database_url=empty_url)) as connection:
        assert connection.execute("select current_setting('openwatt.mark', true)").fetchone() == (None,)
