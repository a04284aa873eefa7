"""`openwatt drill` on the real service: each fault followed to its record, its report and its alert."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from tests.bugsink_server import Bugsink
from tests.chaos.running import Home, Service, load, new_home
from tests.ops.monitoring import Monitoring, monitoring, needs_monitoring

TOKEN = "drill-token-of-a-test-0123456789"  # noqa: S105 - it opens nothing but this test's service


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    server = Bugsink(tmp_path_factory.mktemp("bugsink"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as made:
        yield made


@pytest.fixture(scope="module")
def service(home: Home, bugsink: Bugsink) -> Iterator[Service]:
    started = home.service(
        OPENWATT_DRILL_TOKEN=TOKEN,
        OPENWATT_SENTRY_DSN=bugsink.dsn,
        OPENWATT_LOG_FILE=str(home.folder / "api.log"),
    ).ready()
    yield started
    assert started.end() == 0


@pytest.fixture(scope="module")
def watched(service: Service) -> Iterator[Monitoring]:
    with monitoring(service, hurry=60) as running:  # what is waited for here is nothing but `for`
        yield running


@pytest.fixture
def told(home: Home, bugsink: Bugsink) -> dict[str, str]:
    """The settings of whoever drills: where everything is."""
    return {
        "OPENWATT_DRILL_TOKEN": TOKEN,
        "OPENWATT_LOG_FILE": str(home.folder / "api.log"),
        "OPENWATT_SENTRY_DSN": bugsink.dsn,
        "OPENWATT_SENTRY_URL": bugsink.url,
        "OPENWATT_SENTRY_TOKEN": bugsink.token,
    }


def drill(
    service: Service, settings: dict[str, str], *exercises: str, patience: int = 30
) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and steps of a drill, run as a user runs it."""
    done = service.home.command(
        "drill", *exercises, "--url", f"http://127.0.0.1:{service.port}", "--for", "5", "--json",
        "--patience", str(patience), seconds=300, **settings,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_an_error_is_followed_to_its_record_and_its_report(service: Service, told: dict[str, str]) -> None:
    status, steps = drill(service, told)
    assert status == 0, steps
    assert [(step["exercise"], step["status"]) for step in steps] == [("error", "ok")] * 3
    answered, recorded, reported = (step["says"] for step in steps)
    assert "answers 500" in answered
    assert "api.log: request, status 500" in recorded
    assert "error report" in reported
    assert all(step["after_s"] < 60 for step in steps)


@pytest.mark.parametrize(
    ("wrong", "message", "remedy"),
    [
        ({"OPENWATT_DRILL_TOKEN": "x" * 32}, "refuses the drill", "the OPENWATT_DRILL_TOKEN of the service"),
        ({"OPENWATT_LOG_FILE": "/nowhere/api.log"}, "not seen in time", "openwatt doctor"),
        ({"OPENWATT_SENTRY_TOKEN": "wrong"}, "error report in", "OPENWATT_SENTRY_DSN"),
    ],
)
def test_a_link_that_is_broken_is_named_with_its_remedy(
    service: Service, told: dict[str, str], wrong: dict[str, str], message: str, remedy: str
) -> None:
    status, steps = drill(service, told | wrong, patience=3)
    assert status == 1
    failed = [step for step in steps if step["status"] == "failed"]
    assert len(failed) == 1, steps
    assert message in failed[0]["says"]
    assert remedy in failed[0]["remedy"]


def test_a_service_without_the_token_says_that_it_knows_no_drills(
    home: Home, service: Service, told: dict[str, str]
) -> None:
    assert service.answers()
    plain = home.service().ready()
    status, steps = drill(plain, told)
    assert plain.end() == 0
    assert status == 1
    assert steps[0]["says"] == "the service knows no drills"


def test_a_drill_without_a_token_does_not_begin(service: Service) -> None:
    done = service.home.command("drill")
    assert done.returncode == 1
    assert "ops/stack drills on" in done.stderr
    assert "openssl" not in done.stderr


def test_in_production_it_asks_first(service: Service, told: dict[str, str]) -> None:
    done = service.home.command("drill", **(told | {"OPENWATT_ENVIRONMENT": "production"}))  # type: ignore[arg-type]  # no setting is named seconds
    assert done.returncode == 1
    assert "This is production" in done.stderr


@contextmanager
def healed(service: Service, watched: Monitoring, alert: str) -> Iterator[None]:
    """Sound traffic as soon as an alert has been told, so that its five minutes heal soon."""
    ended = threading.Event()

    def heal() -> None:
        while not ended.wait(0.2):
            if watched.receiver.told(alert):
                with load(service, clients=6):
                    ended.wait()

    healer = threading.Thread(target=heal)
    healer.start()
    try:
        yield
    finally:
        ended.set()
        healer.join()


@needs_monitoring
@pytest.mark.parametrize(
    ("exercise", "alert"),
    [
        ("ingestion", "IngestionStale"),
        ("burst", "HighErrorRate"),
        pytest.param("disk", "MetricsIncomplete", marks=pytest.mark.slow),
        pytest.param("slow", "HighLatency", marks=pytest.mark.slow),
        pytest.param("clients", "SlowClients", marks=pytest.mark.slow),
    ],
)
def test_a_drill_fires_its_alert_reaches_people_and_resolves(
    service: Service, told: dict[str, str], watched: Monitoring, exercise: str, alert: str
) -> None:
    began = time.monotonic()
    settings = told | {
        "OPENWATT_PROMETHEUS_URL": watched.prometheus_url,
        "OPENWATT_ALERTMANAGER_URL": watched.alertmanager_url,
        "OPENWATT_BIND": f"127.0.0.1:{service.port}",
    }
    # Sound traffic would only make the next burst long: it has to be a share of what was seen.
    with healed(service, watched, alert) if exercise in {"burst", "slow"} else nullcontext():
        status, steps = drill(service, settings, exercise)
    messages = [step["says"] for step in steps]
    assert status == 0, steps
    for seen in (f"{alert} is pending", f"{alert} is firing", f"{alert} is resolved"):
        assert seen in messages
    assert any(text.startswith(f"{alert} is in Alertmanager") for text in messages)
    assert watched.receiver.told(alert)
    assert watched.wait_for(alert, "resolved")
    assert time.monotonic() - began < 300
