"""Connections to PostgreSQL: one pool a process, opened at the first use, a deadline on every read."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from json import loads
from typing import Any, TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import kwargs_row
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from openwatt.store.circuit_breaker import CircuitBreaker
from openwatt.store.conninfo import preferring
from openwatt.store.errors import DatabaseUnavailableError
from openwatt.store.sql import statement

T = TypeVar("T")

#: A reader waits this long for the database in all: the API promises its 503 within 2 s.
READ_DEADLINE_S = 1.5
#: A statement of a long read: a sort of the whole history, or a part of its rows.
LONG_DEADLINE_S = 30.0

#: A connection for work that takes its time, as `openwatt.bootstrap.connect` opens it.
Connection: TypeAlias = psycopg.Connection[Any]

_CONNECT: dict[str, Any] = {"autocommit": True, "connect_timeout": 2}

# The pool warns of every attempt to connect; `CircuitBreaker` logs once that the database does not answer,
# and once that it does again.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

_prices = msgspec.json.Decoder(dict[str, Decimal])


def _load_jsonb(text: str | bytes) -> Any:
    """A jsonb value whose numbers keep every digit."""
    try:
        return _prices.decode(text)  # nearly all are prices by register, and this takes a tenth of the time
    except msgspec.ValidationError:
        return loads(text, parse_float=Decimal, parse_int=Decimal)


set_json_loads(_load_jsonb)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that has stopped answering.

    `statement_timeout` is enforced by the server, so a frozen one does not enforce it: the
    wait for its bytes is bounded here as well.
    """

    deadline_s: float | None = READ_DEADLINE_S

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Returns what the server sends, within `deadline_s`."""
        try:
            return super().wait(gen, interval, timeout or self.deadline_s)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # its answer may still come, and is no other statement's
            raise


def bind_to_history(connection: Connection, statement_timeout_s: float) -> bool:
    """Binds a connection to a time and to the role that may only read and insert; False where it may not."""
    row = connection.execute(
        statement("sessions/settings"), {"statement_timeout": f"{statement_timeout_s}s"}
    ).fetchone()
    return row is not None and row[1] is not None


def _open(pool: ConnectionPool[BoundedConnection]) -> None:
    """Starts a pool's threads, all of them or none.

    Raises:
        DatabaseUnavailableError: no more threads can be started.
    """
    try:
        pool.open()
    except RuntimeError as error:
        pool.close(timeout=1)  # those that were started would stay for ever, and each attempt add more
        raise DatabaseUnavailableError(
            f"no connection can be made ({error}): raise the limit of processes (pids_limit, TasksMax)"
        ) from error


class Database:
    """One PostgreSQL as seen by one process.

    `locate` returns the connection string; it is called for each new connection, so
    that an embedded server that died is started first. Nothing is opened
    before the first read, and a forked child opens a pool of its own. `on_query` is
    called with the seconds of each read, waiting for a connection included.
    """

    def __init__(
        self,
        locate: Callable[[], str],
        *,
        most_connections: int = 4,
        on_query: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._locate = locate
        self._on_query = on_query
        self._most_connections = most_connections
        self._lock = threading.Lock()
        self._opened: tuple[int, ConnectionPool[BoundedConnection]] | None = None
        self._breaker = CircuitBreaker(self._attempt, self._renew)
        self._last_server: tuple[str, str] | None = None
        """Host and port of the server that was reached last."""

    def _address(self) -> str:
        """The address for a new connection. Of several servers, the one reached last is tried first.

        Else each connection would wait for a server that hangs before it comes to the next one,
        for longer than a reader may.
        """
        conninfo = self._locate()
        return preferring(conninfo, *self._last_server) if self._last_server else conninfo

    def _configure(self, connection: Connection) -> None:
        """Binds a new connection to the role that may only read and insert, where the server has it."""
        bind_to_history(connection, READ_DEADLINE_S)
        self._last_server = connection.info.host, str(connection.info.port)

    def _attempt(self) -> None:
        """Raises unless the database answers."""
        with BoundedConnection.connect(self._address(), **_CONNECT) as connection:
            self._configure(connection)

    def _renew(self) -> None:
        """Replaces the connections of before the breaker opened, broken or not."""
        self._pool().drain()

    def _pool(self) -> ConnectionPool[BoundedConnection]:
        if self._opened is None or self._opened[0] != os.getpid():
            with self._lock:
                if self._opened is None or self._opened[0] != os.getpid():
                    pool = ConnectionPool(
                        self._address,
                        connection_class=BoundedConnection,
                        kwargs=_CONNECT,
                        min_size=0,  # a pool that grows on demand tries again at the next request
                        max_size=self._most_connections,
                        configure=self._configure,
                        reconnect_timeout=READ_DEADLINE_S,
                        open=False,
                    )
                    _open(pool)
                    self._opened = (os.getpid(), pool)
                    # Since Python 3.13 a thread that lives when the interpreter is taken down is never seen
                    # to end, and the pool's finalizer would wait 5 seconds for each of its four.
                    atexit.register(self._close_at_exit)
        return self._opened[1]

    def read(self, name: str, parameters: Mapping[str, object], row: Callable[..., T]) -> list[T]:
        """Returns the rows of the statement `name`, each made by `row` from its columns as keywords.

        A connection that broke while idle is replaced and the statement sent again.

        Raises:
            DatabaseUnavailableError: when no answer came within `READ_DEADLINE_S`, or at once
                while the circuit breaker is open.
        """
        if self._breaker.is_open:
            raise DatabaseUnavailableError("the database does not answer")
        started = time.monotonic()
        try:
            return self._read(name, parameters, row, started + READ_DEADLINE_S)
        finally:
            self._on_query(time.monotonic() - started)

    def _read(
        self, name: str, parameters: Mapping[str, object], row: Callable[..., T], deadline: float
    ) -> list[T]:
        failure: Exception | None = None
        for _attempt in range(self._most_connections + 1):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            try:
                with self._pool().connection(timeout=remaining) as connection:
                    connection.deadline_s = remaining
                    with connection.cursor(row_factory=kwargs_row(row)) as cursor:
                        return cursor.execute(statement(name), parameters).fetchall()
            except (PoolTimeout, DatabaseUnavailableError) as error:
                failure = error
                break
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                failure = error
        if not isinstance(failure, errors.QueryCanceled):  # a server that breaks off one statement is there
            self._breaker.open(str(failure))
        raise DatabaseUnavailableError("the database does not answer") from failure

    @contextmanager
    def long_read(self) -> Iterator[Connection]:
        """A connection of its own for a read that takes its time, such as an export.

        Each of its statements has `LONG_DEADLINE_S`.

        Raises:
            DatabaseUnavailableError: from the block too, when the server goes away in the middle of it.
        """
        if self._breaker.is_open:
            raise DatabaseUnavailableError("the database does not answer")
        try:
            with BoundedConnection.connect(self._address(), **_CONNECT) as connection:
                connection.deadline_s = LONG_DEADLINE_S
                bind_to_history(connection, LONG_DEADLINE_S)
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not isinstance(error, errors.QueryCanceled):
                self._breaker.open(str(error))
            raise DatabaseUnavailableError("the database does not answer") from error

    def read_number(self, name: str) -> int:
        """The one whole number that the statement `name` returns."""
        rows = self.read(name, {}, lambda **row: int(row.popitem()[1]))
        return rows[0]

    def statistics(self) -> dict[str, int]:
        """The pool's own statistics, by psycopg_pool's names; empty before the first read."""
        return dict(self._opened[1].get_stats()) if self._opened else {}

    def close(self) -> None:
        """Closes this process's pool; a later read opens another."""
        atexit.unregister(self._close_at_exit)
        self._breaker.reset()
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    def _close_at_exit(self) -> None:
        """Closes the pool of a process that ends, whether or not a second Ctrl-C interrupts it."""
        with suppress(KeyboardInterrupt):
            self.close()
