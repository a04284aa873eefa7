"""Services in folders of the test's own; none of their processes may be left after a test."""

import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.chaos.running import Home, Service, new_home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the services said when a test fails."""
    report = yield
    home = getattr(item, "funcargs", {}).get("empty_home")
    if call.when == "call" and report.failed and isinstance(home, Home):
        for service in home.services:
            report.sections.append((f"log of the service on port {service.port}", service.said()[-8000:]))
    return report


@pytest.fixture(scope="session")
def filled_data() -> Iterator[Path]:
    """The data folder of an installation that has served once, to be copied."""
    with new_home() as made:
        assert made.command("tariffs", seconds=120).returncode == 0  # the database is made, on a busy machine
        yield made.data


@pytest.fixture
def empty_home() -> Iterator[Home]:
    """An installation that never ran; the test itself ends what it starts, and is told when it did not."""
    with new_home() as made:
        yield made


@pytest.fixture
def home(empty_home: Home, filled_data: Path) -> Home:
    """An installation that has its data already."""
    subprocess.run(["cp", "-a", filled_data, empty_home.data], check=True)
    return empty_home


@pytest.fixture
def service(home: Home) -> Iterator[Service]:
    """A service that answers; it is ended after the test, with status 0."""
    started = home.service().ready()
    yield started
    assert started.end() == 0, started.said()
