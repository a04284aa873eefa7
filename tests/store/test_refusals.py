"""What PostgreSQL refuses while a database is made ready is a sentence, and its remedy works."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from openwatt.catalogue.loader import load_catalogue
from openwatt.store.database import Database
from openwatt.store.errors import PrivilegeError, SchemaError
from openwatt.store.migrate import migrate, newest_schema, read_schema
from tests.conftest import Server


@dataclass(frozen=True)
class Visited:
    """A database of its own, its address for its owner and for a role that owns nothing."""

    name: str
    owner: str
    visitor: str

    def say(self, statement: str) -> None:
        """What an administrator does."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def visited(server: Server, clone: Callable[[str], str]) -> Iterator[Visited]:
    url = clone("template0")
    name = url.partition("///")[2].partition("?")[0]
    role = f"visitor_of_{name}"
    with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
        connection.execute(f"create role {role} login".encode())
    made = Visited(name, url, make_conninfo(url, user=role))
    yield made
    with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
        connection.execute(f"alter database {name} reset all".encode())
    made.say(f"reassign owned by {role} to openwatt")
    made.say(f"drop owned by {role}")
    made.say(f"drop role {role}")


def migrated(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        return bool(migrate(connection))


def refused(url: str) -> str:
    with pytest.raises(PrivilegeError) as caught:
        migrated(url)
    return str(caught.value)


def test_without_create_on_the_schema_either_remedy_works(visited: Visited) -> None:
    """PostgreSQL 15 and newer let nobody but the owner of the database create tables."""
    said = refused(visited.visitor)
    assert said.startswith(
        f"the user visitor_of_{visited.name} may not create tables in the database {visited.name} "
        "(permission denied for schema public): let it own the database, by `alter database"
    )
    grant = said.rpartition("`")[0].rpartition("`")[2]
    assert grant == f"grant usage, create on schema public to visitor_of_{visited.name}"
    visited.say(grant)
    assert migrated(visited.visitor)
    with psycopg.connect(visited.visitor, autocommit=True) as connection:
        assert load_catalogue(connection)


def test_the_owner_of_the_database_may_do_all(visited: Visited) -> None:
    visited.say(refused(visited.visitor).partition("`")[2].partition("`")[0])
    assert migrated(visited.visitor)


def test_tables_of_somebody_else_are_named_so(visited: Visited) -> None:
    assert migrated(visited.owner)
    visited.say(f"grant usage, create on schema public to visitor_of_{visited.name}")
    said = refused(visited.visitor)
    assert "may not change what is in the database" in said
    assert said.endswith("let OPENWATT_DATABASE_URL name the user that owns its tables")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("default_transaction_read_only = on", "is read-only (cannot execute "),
        ("search_path = nowhere", "has no schema to use in the database"),
        ("statement_timeout = 1", "refuses to be made ready (canceling statement due to statement timeout)"),
    ],
)
def test_a_database_that_cannot_be_made_ready_says_why(visited: Visited, setting: str, says: str) -> None:
    visited.say(f"alter database {visited.name} set {setting}")
    # A timer that fires as its statement ends is reported by PostgreSQL as a user's request, now and then.
    said = [refused(visited.owner) for _ in range(3)]
    assert any(says in each for each in said), said
    assert all(": " in each for each in said)


def test_a_server_that_only_reads_is_refused_though_nothing_is_left_to_migrate(visited: Visited) -> None:
    assert migrated(visited.owner)
    visited.say(f"alter database {visited.name} set default_transaction_read_only = on")
    said = refused(visited.owner)
    assert "is read-only (cannot " in said
    assert "?target_session_attrs=read-write" in said


def test_a_database_without_our_tables_is_not_read(
    visited: Visited, database: Callable[[str], Database]
) -> None:
    with pytest.raises(SchemaError, match="holds nothing of OpenWatt: run `openwatt migrate`"):
        read_schema(database(visited.owner))
    assert migrated(visited.owner)
    assert read_schema(database(visited.owner)) == newest_schema()
    with pytest.raises(SchemaError, match="name the user that owns its tables"):
        read_schema(database(visited.visitor))
