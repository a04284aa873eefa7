"""Detects a pooler before PostgreSQL that gives one connection the sessions of several.

The service binds a session to its role and time limit, holds advisory locks in it and
prepares statements: PgBouncer's pool modes `transaction` and `statement` give that session
to another client after each transaction. Nothing in the protocol names the mode, so it is tried.
"""

import uuid

import psycopg

from openwatt.store.database import BoundedConnection, Connection
from openwatt.store.errors import PoolerError
from openwatt.store.sql import statement

#: Other clients of the pool may get the session of a round, and then it proves nothing.
_ROUNDS = 3
#: Connections held at once: a pooler that hands out the session that rested longest has others to give first.
_OTHERS = 4


def check_sessions(connection: Connection, conninfo: str) -> None:
    """Refuses a pooler that does not keep a session for each connection.

    A server without a pooler before it costs one short statement: the process id of the
    handshake is then the server's own.

    Raises:
        PoolerError: naming the remedy.
    """
    row = connection.execute(statement("sessions/process")).fetchone()
    if row is not None and row[0] == connection.info.backend_pid:
        return
    shared, rounds = None, 0
    while shared is None and rounds < _ROUNDS:
        shared, rounds = _is_shared(conninfo), rounds + 1
    if shared:
        raise PoolerError(
            "OPENWATT_DATABASE_URL leads to a pooler, such as PgBouncer, that gives a connection another "
            "session for each transaction: set pool_mode = session for this database there, or name the port "
            "of PostgreSQL itself"
        )


def _is_shared(conninfo: str) -> bool | None:
    """Whether a marked session is given to another connection; None where that is not seen.

    It is not seen when the pool has no other session to give, and keeps ours.
    """
    mark = str(uuid.uuid4())
    opened = []
    try:
        ours = BoundedConnection.connect(conninfo, autocommit=True, connect_timeout=2)
        opened.append(ours)
        ours.execute(statement("sessions/set_mark"), {"mark": mark})
        for _ in range(_OTHERS):
            other = BoundedConnection.connect(conninfo, connect_timeout=2)
            opened.append(other)
            # In a transaction, it keeps the session that it was given until it is closed.
            if _sees(other, mark) or not _sees(ours, mark):
                return True
    except psycopg.OperationalError as error:
        return "statement pooling" in str(error)  # PgBouncer's word, in a mode without transactions
    finally:
        for one in opened:
            one.close()
    return None


def _sees(connection: Connection, mark: str) -> bool:
    row = connection.execute(statement("sessions/mark")).fetchone()
    return row is not None and row[0] == mark
