"""Services in folders of the test's own; none of their processes may be left after a test."""

from collections.abc import Generator, Iterator

import pytest

from tests.chaos.running import Home, Service, new_home


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


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty installation; the test itself ends what it starts, and is told when it did not."""
    with new_home() as made:
        yield made


@pytest.fixture
def service(home: Home) -> Iterator[Service]:
    """A service that answers; it is ended after the test, with status 0."""
    started = home.service().ready()
    yield started
    assert started.end() == 0, started.said()
