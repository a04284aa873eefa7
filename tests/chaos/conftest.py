"""Services in folders of the test's own; none of their processes may be left after a test."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.chaos.running import Home, Service


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the services said when a test fails."""
    report = yield
    home = getattr(item, "funcargs", {}).get("home")
    if call.when == "call" and report.failed and isinstance(home, Home):
        for service in home.services:
            report.sections.append((f"log of the service on port {service.port}", service.said()[-8000:]))
    return report


def make_home() -> Home:
    """An installation that the unprivileged account of the embedded server can enter."""
    folder = Path(tempfile.mkdtemp(prefix="ow-")).resolve()
    folder.chmod(0o755)
    return Home(folder)


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty installation; the test itself ends what it starts, and is told when it did not."""
    made = make_home()
    yield made
    left = [pid for service in made.services for pid in service.group()]
    runs = made.database_runs()
    made.end()
    shutil.rmtree(made.folder)
    assert not left, f"processes of the service are left: {left}"
    assert not runs, "the embedded PostgreSQL is left running"


@pytest.fixture
def service(home: Home) -> Iterator[Service]:
    """A service that answers; it is ended after the test, with status 0."""
    started = home.service().ready()
    yield started
    assert started.end() == 0, started.said()
