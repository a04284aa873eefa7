"""Is there a pooler between us and PostgreSQL that gives one connection the sessions of several?

The service binds a session to its role and time limit, holds advisory locks in it and
prepares statements: PgBouncer's pool modes `transaction` and `statement` hand that session
to somebody else after each transaction. Nothing in the protocol names the mode, so it is tried.
"""

import uuid

import psycopg

from openwatt.store.database import READ_DEADLINE_S, Connection, PatientConnection
from openwatt.store.errors import PoolerError
from openwatt.store.sql import statement

#: Other clients of the pool may take the session of a round away, and then it shows nothing.
_ROUNDS = 4
#: Connections held at once: a pooler that hands out the session that rested longest has so many others to give.
_OTHERS = 4


def check_sessions(connection: Connection, conninfo: str) -> None:
    """Refuses a pooler that does not keep a session for each connection.

    A server without a pooler before it costs one short statement: the process id of the
    handshake is then the server's own.

    Raises:
        PoolerError: naming the remedy.
        psycopg.OperationalError: the server has gone meanwhile.
    """
    ours = connection.execute(statement("session_process")).fetchone()
    if ours is None or connection.info.backend_pid == ours[0]:
        return
    for _ in range(_ROUNDS):
        mark = str(uuid.uuid4())
        connection.execute(statement("mark_session"), {"mark": mark})
        if _is_shared(connection, conninfo, mark):
            raise PoolerError(
                "OPENWATT_DATABASE_URL leads to a pooler, such as PgBouncer, that gives a connection another "
                "session for each transaction: set pool_mode = session there for this database, or name "
                "PostgreSQL's own port"
            )


def _is_shared(connection: Connection, conninfo: str, mark: str) -> bool:
    """Whether a marked session comes into the hands of another connection, or is taken from its own."""
    others = []
    try:
        for _ in range(_OTHERS):
            other = PatientConnection.connect(conninfo, autocommit=False, connect_timeout=2)
            others.append(other)
            # In a transaction it keeps whatever session it was given until it is closed.
            if _sees(other, mark) or not _sees(connection, mark):
                return True
    except psycopg.OperationalError as error:
        # The pool has no session left to give: ours is not given away.  In the mode `statement` a
        # transaction is refused, and in this words.
        return "pooling mode" in str(error)
    finally:
        for other in others:
            other.close()
    return False


def _sees(connection: Connection, mark: str) -> bool:
    found = connection.execute(statement("session_mark")).fetchone()
    return found is not None and found[0] == mark
