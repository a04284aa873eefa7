"""Several servers in one address: one that hangs is waited for once, who answered is asked first."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from openwatt.store.conninfo import preferring, variables_of
from openwatt.store.database import Database
from openwatt.store.errors import DatabaseUnavailableError

READERS = 4


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a machine that hangs: connections are accepted by its kernel, and nobody says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        yield int(listening.getsockname()[1])


def test_a_first_server_that_hangs_costs_one_wait_and_no_more(
    database: Callable[[str], Database], filled_url: str, silent: int
) -> None:
    real = conninfo_to_dict(filled_url)
    url = make_conninfo(
        filled_url,
        host=f"127.0.0.1,{real['host']}",
        port=f"{silent},{real['port']}",
        target_session_attrs="read-write",
    )
    opened = database(url)
    together = threading.Barrier(READERS)

    def read() -> bool:
        together.wait(30)
        try:
            return opened.read_number("schema/number") > 0
        except DatabaseUnavailableError:
            return False

    with ThreadPoolExecutor(READERS) as readers:

        def all_are_answered() -> bool:
            return all(each.result() for each in [readers.submit(read) for _ in range(READERS)])

        deadline = time.monotonic() + 20
        while not all_are_answered():  # the hanging server is met, and the other found
            assert time.monotonic() < deadline
            time.sleep(0.1)
        until = time.monotonic() + 4
        failed, rounds = 0, 0
        while time.monotonic() < until or rounds <= 10:
            failed += not all_are_answered()
            rounds += 1
            opened._renew()  # noqa: SLF001 - each round needs new connections, as after an outage
            time.sleep(0.05)
    assert failed == 0


@pytest.mark.parametrize(
    ("given", "preferred"),
    [
        ("host=a,b,c port=1,2,3", "host=b,a,c port=2,1,3"),
        ("host=a,b port=5432", "host=b,a port=5432"),
        ("host=a,b", "host=b,a"),
        ("host=a,b hostaddr=192.0.2.1,192.0.2.2", "host=b,a hostaddr=192.0.2.2,192.0.2.1"),
        ("host=b", "host=b"),
        ("host=a,c", "host=a,c"),
        ("dbname=x", "dbname=x"),
        ("host=a,b load_balance_hosts=random", "host=a,b load_balance_hosts=random"),
        ("host=a,b target_session_attrs=prefer-standby", "host=a,b target_session_attrs=prefer-standby"),
    ],
)
def test_the_server_that_answered_is_named_first_with_all_that_belongs_to_it(
    given: str, preferred: str
) -> None:
    assert conninfo_to_dict(preferring(given, "b", "2" if "port=1" in given else "5432")) == conninfo_to_dict(
        preferred
    )


def test_one_of_two_servers_of_a_host_is_known_by_its_port() -> None:
    assert conninfo_to_dict(preferring("host=a,a port=1,2", "a", "2")) == {"host": "a,a", "port": "2,1"}


def test_the_programs_of_postgresql_get_every_option_of_an_address() -> None:
    url = (
        "postgresql://me:secret@a:1,b:2/x?target_session_attrs=read-write&sslcrl=/crl&channel_binding=require"
    )
    assert variables_of(url) == {
        "PGUSER": "me",
        "PGPASSWORD": "secret",
        "PGHOST": "a,b",
        "PGPORT": "1,2",
        "PGDATABASE": "x",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGSSLCRL": "/crl",
        "PGCHANNELBINDING": "require",
    }
