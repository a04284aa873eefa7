"""A real PostgreSQL for every test: one embedded server a session, one cloned database a test."""

import datetime as dt
import itertools
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.conninfo import conninfo_to_dict
from werkzeug.serving import make_server

from openwatt.app import create_app
from openwatt.catalogue.loader import load_catalogue
from openwatt.settings import PREFIX, Settings
from openwatt.store.database import Database
from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.migrate import migrate
from openwatt.web.http.app_state import state_of

#: By these rich decides how a terminal is written to.
TERMINAL = {"NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
for name in [name for name in os.environ if name.startswith(PREFIX) or name in TERMINAL]:
    del os.environ[name]  # what the developer's shell sets must not steer the tests
os.umask(0o022)  # the same: the embedded server's account passes through folders that tests make

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="Count a skipped test as a failure.")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--forbid-skips") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason to skip, however many tests it skips."""
    skipped = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.section("tests that were skipped, and what they need")
    for reason, count in sorted(skipped.items()):
        terminalreporter.line(f"{count:4} {reason.removeprefix('Skipped: ')}")


class Server:
    """The session's PostgreSQL and the databases cloned in it."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo_to_dict(conninfo)
        self._numbers = itertools.count(1)

    def url(self, name: str) -> str:
        """The address of a database."""
        query = {key: self._conninfo[key] for key in ("host", "port", "user")}
        return f"postgresql:///{name}?{urlencode(query)}"

    def create(self, template: str = "template1") -> str:
        """The name of a new database made from a template."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("openwatt"), autocommit=True) as connection:
            connection.execute(f"create database {name} template {template}".encode())
        return name

    def drop(self, name: str) -> None:
        """Drops a database with whoever is connected to it."""
        with psycopg.connect(self.url("openwatt"), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The session's own embedded server, in a folder that an unprivileged account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ow-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "data", fallback_root=folder / "fallback") as postgres:
        yield Server(postgres.conninfo())
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated(server: Server) -> str:
    """A template: the schema, nothing in it."""
    name = server.create()
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        migrate(connection)
    return name


@pytest.fixture(scope="session")
def filled(server: Server, migrated: str) -> str:
    """A template: the schema with the shipped catalogue."""
    name = server.create(migrated)
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        load_catalogue(connection)
    return name


@pytest.fixture
def clone(server: Server) -> Iterator[Callable[[str], str]]:
    """Clones a template and gives the clone's address; the clone ends with the test."""
    cloned = []

    def of(template: str) -> str:
        cloned.append(server.create(template))
        return server.url(cloned[-1])

    yield of
    for name in cloned:
        server.drop(name)


@pytest.fixture
def empty_url(clone: Callable[[str], str], migrated: str) -> str:
    """The address of a database of the test's own, with the schema and nothing in it."""
    return clone(migrated)


@pytest.fixture
def filled_url(clone: Callable[[str], str], filled: str) -> str:
    """The address of a database of the test's own, with the shipped catalogue."""
    return clone(filled)


@pytest.fixture
def database() -> Iterator[Callable[[str], Database]]:
    """Makes a Database of an address and closes it with the test."""
    opened = []

    def of(url: str) -> Database:
        opened.append(Database(lambda: url))
        return opened[-1]

    yield of
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def shared_app(server: Server, filled: str) -> Iterator[Flask]:
    """The app over the shipped catalogue at noon of a fixed day; for tests that only read."""
    # A clone, because a template that somebody is connected to cannot be cloned.
    url = server.url(server.create(filled))
    # Tests ask for bills more often than a household does.
    app = create_app(Settings(database_url=url, workers=1, limit_bills="12000/minute"), clock=lambda: NOW)
    yield app
    close_app(app)


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    """A client of the shared app."""
    return shared_app.test_client()


def close_app(app: Flask) -> None:
    """Closes the pool that an app has opened."""
    state_of(app).database.close()


@contextmanager
def serve_app(app: Flask) -> Iterator[str]:
    """The address of an app on a real socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
