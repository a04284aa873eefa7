"""Turns of requests to a host: one each few seconds, whichever process or machine sends it."""

from openwatt.store.database import Connection
from openwatt.store.sql import statement

#: Between two requests to one host, in seconds.
INTERVAL_S = 5.0


def take_turn(connection: Connection, host: str, interval_s: float = INTERVAL_S) -> float:
    """Takes the next free turn for a host and returns how many seconds to wait for it.

    The turn is taken for good, outside any transaction: a process that dies while it
    waits costs the others one interval.
    """
    parameters = {"host": host.lower(), "interval_s": interval_s}
    row = connection.execute(statement("sources/take_fetch_turn"), parameters).fetchone()
    return float(row[0]) if row else 0.0
