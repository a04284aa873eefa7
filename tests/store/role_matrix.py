"""PostgreSQL × kind of role: what becomes of a start, on real servers.

`python -m tests.store.role_matrix` prints the table of docs/database.md for every server at hand.
"""

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from openwatt.bootstrap import connect, prepare_database
from openwatt.domain.errors import OpenWattError
from openwatt.settings import Settings
from openwatt.store.database import Database, bind_to_history
from openwatt.store.errors import SchemaError
from openwatt.store.fetch_turns import take_turn
from openwatt.store.migrate import read_schema
from openwatt.store.tariffs import TariffFilter, tariffs_on
from tests.store.other_postgres import AT_HAND, running_postgres

WRITER, OWNER, REFUSED = "openwatt_writer", "triggers", "refused"


@dataclass(frozen=True)
class Kind:
    """A kind of role: what an administrator says before the service starts for the first time."""

    name: str
    says: tuple[str, ...]
    """`app` is the role of the address and `shop` its database, which `owner` owns at first."""
    since: int = 14
    is_migrated: bool = False
    """Whether the owner's service has run there before."""


_MINE = "alter database shop owner to app"
_MADE = "create role openwatt_writer nologin"
_CREATE = "grant usage, create on schema public to app"

KINDS = (
    Kind("superuser", ("alter role app superuser", _MINE)),
    Kind("owner-createrole", ("alter role app createrole", _MINE)),
    Kind("owner-createrole-writer-exists", ("alter role app createrole", _MINE, _MADE)),
    Kind(
        "owner-createrole-self-grant",
        ("alter role app createrole", "alter role app set createrole_self_grant = inherit", _MINE),
        since=16,
    ),
    Kind("owner", (_MINE,)),
    Kind("owner-granted", (_MINE, _MADE, "grant openwatt_writer to app")),
    Kind(
        "owner-granted-noinherit", ("alter role app noinherit", _MINE, _MADE, "grant openwatt_writer to app")
    ),
    Kind("owner-granted-no-set", (_MINE, _MADE, "grant openwatt_writer to app with set false"), since=16),
    Kind(
        "acts-as-owner",
        ("alter role owner createrole", "grant owner to app", "alter role app set role = owner"),
    ),
    Kind("other", ()),
    Kind("other-create", (_CREATE,)),
    Kind("other-create-createrole", ("alter role app createrole", _CREATE)),
    Kind("other-migrated", (), is_migrated=True),
    Kind("other-migrated-granted", ("grant openwatt_writer to app",), is_migrated=True),
    Kind("no-connect", (_MINE, "revoke connect on database shop from public, app")),
)


class Shop:
    """A database for one case, with the roles that the case needs."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.admin = f"{conninfo}shop"
        self.url = make_conninfo(self.admin, user="app")

    def say(self, *statements: str, database: str = "shop") -> None:
        """What the administrator says."""
        with psycopg.connect(f"{self._conninfo}{database}", autocommit=True) as connection:
            for each in statements:
                connection.execute(each.encode())

    def start(self, url: str) -> str:
        """What becomes of a start: whom the service works as, or the refusal."""
        try:
            prepare_database(Settings(database_url=url))
        except OpenWattError as error:
            return f"{REFUSED}: {error}"
        return self.read_as(url)

    def read_as(self, url: str) -> str:
        """Whom a reader and an ingestion work as."""
        with _opened(url) as database:
            try:
                read_schema(database)
            except SchemaError as error:
                return f"cannot read: {error}"
            assert tariffs_on(database, TariffFilter(), on=_A_DAY, limit=5)
        with connect(Settings(database_url=url)) as connection:  # as an ingestion does
            bind_to_history(connection, 5)
            take_turn(connection, "a.example", 1)
            ((user,),) = connection.execute("select current_user::text").fetchall()
        return WRITER if user == WRITER else OWNER


_A_DAY = dt.date(2026, 11, 1)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(lambda: url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def shop(conninfo: str, kind: Kind) -> Iterator[Shop]:
    """The database of one kind; nothing of it is left on the server."""
    made = Shop(conninfo)
    made.say("create role owner login", "create role app login", database="postgres")
    try:
        made.say("create database shop owner owner template template0", database="postgres")
        if kind.is_migrated:
            made.say("alter role owner createrole")
            prepare_database(Settings(database_url=make_conninfo(made.admin, user="owner")))
        made.say(*kind.says)
        yield made
    finally:
        with psycopg.connect(f"{conninfo}postgres", autocommit=True) as connection:
            names = connection.execute(
                "select datname from pg_database where datname like 'shop%' and not datistemplate"
            ).fetchall()
            for (name,) in names:
                connection.execute(f'drop database "{name}" with (force)'.encode())
            for role in ("app", "owner", WRITER):
                connection.execute(f"drop role if exists {role}".encode())


def outcome(conninfo: str, kind: Kind) -> str:
    """What becomes of a start as a kind of role."""
    with shop(conninfo, kind) as made:
        return made.start(made.url)


def print_table(say: Callable[[str], object]) -> None:
    """The table of the documentation, for the servers at hand."""
    found: dict[str, dict[str, str]] = {kind.name: {} for kind in KINDS}
    for programs in AT_HAND:
        with running_postgres(programs) as conninfo:
            for kind in KINDS:
                if kind.since <= programs.version:
                    found[kind.name][str(programs)] = outcome(conninfo, kind)
    columns = [str(programs) for programs in AT_HAND]
    say("| " + " | ".join(["", *columns]) + " |")
    say("|" + "---|" * (len(columns) + 1))
    for name, cells in found.items():
        say("| " + " | ".join([f"`{name}`", *(cells.get(column, "–") for column in columns)]) + " |")


if __name__ == "__main__":
    print_table(lambda line: sys.stdout.write(f"{line}\n"))
