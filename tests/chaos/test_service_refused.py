"""A service that cannot start says why in a sentence, ends with status 1 and leaves nothing behind."""

import socket

import psycopg
import pytest

from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.migrate import newest_schema
from tests.chaos.running import PATIENCE_S, Home, Service


def _refused(service: Service) -> str:
    """What a service said that ended by itself."""
    assert service.process.wait(PATIENCE_S) == 1
    said = service.said()
    assert "Traceback" not in said
    return said


def test_an_older_openwatt_refuses_a_newer_schema(home: Home) -> None:
    with EmbeddedPostgres(home.data) as postgres:
        assert home.command("migrate").returncode == 0
        with psycopg.connect(postgres.conninfo()) as connection:
            connection.execute("insert into schema_migrations (number, name) values (9999, 'future')")
    assert (
        "OpenWatt cannot start: the database has schema 9999, this OpenWatt knows only up to "
        f"{newest_schema()}: deploy the newer OpenWatt again, or point it at another database\n"
    ) in _refused(home.service())
    assert not home.database_runs()


@pytest.mark.parametrize(
    ("rights", "sentence"),
    [
        ("create role guest login", "the user guest may not create tables in the database openwatt ("),
        (
            "create role guest login; revoke connect on database openwatt from public",
            "the database's server refuses the connection: ",
        ),
    ],
)
def test_a_role_without_rights_is_refused_once_and_at_the_start(
    empty_home: Home, rights: str, sentence: str
) -> None:
    with EmbeddedPostgres(empty_home.data) as postgres:
        with psycopg.connect(postgres.conninfo()) as connection:
            connection.execute(rights.encode())
        url = f"postgresql://guest@/openwatt?host={postgres.paths.sockets}"
        said = _refused(empty_home.service(OPENWATT_DATABASE_URL=url))
    assert said.count("OpenWatt cannot start: ") == said.count(sentence) == 1
    assert "`grant " in said
    assert "does not answer" not in said


def test_a_port_that_is_taken_leaves_no_database_running(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert "Address already in use" in _refused(home.service(OPENWATT_BIND=address))
    assert not home.database_runs()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"OPENWATT_WORKER": "2"},
            "OPENWATT_WORKER is not a setting of OpenWatt: did you mean OPENWATT_WORKERS?",
        ),
        ({"OPENWATT_THREADS": "0"}, "OPENWATT_THREADS must be a whole number from 1 to 64 (it is '0')"),
        ({"OPENWATT_DATA_DIR": "/dev/null/data"}, "cannot use /dev/null"),
        ({"OPENWATT_DATABASE_URL": "postgresql:///x?host=/nowhere"}, "the database does not answer: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(home: Home, settings: dict[str, str], sentence: str) -> None:
    said = _refused(home.service(**settings))
    assert "OpenWatt cannot start: " in said
    assert sentence in said
