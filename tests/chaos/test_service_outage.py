"""What clients see while the database is away, and how soon after it is back."""

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from openwatt.store.embedded.postgres import EmbeddedPostgres
from tests.chaos.running import Home, Load, Service, load, processes, wait_until

#: The API promises its 503 within 2 s; the rest is for a machine that is busy with other things.
PROMISED_S = 2.5
ANEW = "/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5"
#: More clients than two workers have threads.
CROWD = 24


def _in_time(outage: Callable[[], float], promised_s: float = PROMISED_S) -> None:
    """One outage of three was told in time: a busy machine stalls now and then, a fault of ours stays."""
    slowest: list[float] = []
    while len(slowest) < 3:
        slowest.append(outage())
        if slowest[-1] < promised_s:
            return
    raise AssertionError(f"the slowest answers took {slowest} s")


def _slowest(running: Load) -> float:
    return max(answer.seconds for _, _, answer in running.answers)


def _are_problems(running: Load) -> None:
    """Every answer but a 200 was a 503 problem that says when to come again."""
    failed = [answer for _, _, answer in running.answers if answer.status != 200]
    assert failed, "the outage was not seen"
    assert {answer.status for answer in failed} == {503}
    for answer in failed:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "2"
        assert answer.json()["status"] == 503


def _seconds_until_it_answers(service: Service) -> float:
    began = time.monotonic()
    wait_until(lambda: service.answers("/health/ready"))
    return time.monotonic() - began


def _every_worker_answers_again(service: Service) -> None:
    """Waits for the workers that have lost the database: one may find it again a moment after another."""
    wait_until(
        lambda: (
            service.said().count('"event":"the database answers again"')
            == service.said().count('"event":"the database does not answer"')
        )
    )
    wait_until(lambda: service.answers("/health/ready"))


def _is_busy(running: Load) -> None:
    wait_until(lambda: len(running.answers) > CROWD)


def _freeze(home: Home) -> list[int]:
    # More than the first: after a kill, orphans may have answered while the next server just begins.
    frozen = wait_until(lambda: found if len(found := home.server_processes()) > 1 else [])
    for pid in frozen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    return frozen


def _thaw(frozen: list[int]) -> None:
    for pid in frozen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_a_killed_database_is_brought_back_without_a_restart(home: Home, service: Service) -> None:
    workers = service.both_workers()

    def outage() -> float:
        with load(service, ANEW, clients=CROWD) as running:
            _is_busy(running)
            os.kill(home.postmaster(), signal.SIGKILL)
            assert _seconds_until_it_answers(service) < 20
            before = len(running.answers)
            wait_until(lambda: len(running.answers) > before + CROWD)
        assert {answer.status for _, _, answer in running.answers} <= {200, 503}
        return _slowest(running)

    _in_time(outage)
    assert service.both_workers() == workers


def test_a_removed_socket_folder_is_found_again_without_a_restart(home: Home, service: Service) -> None:
    workers, lost = service.both_workers(), home.postmaster()
    sockets = home.data / "run"
    assert (sockets / ".s.PGSQL.5432").is_socket()
    with load(service, ANEW) as running:
        wait_until(lambda: len(running.answers) > 40)
        shutil.rmtree(sockets)  # as a cleaner of /tmp does
        # Connections that are there go on; each new one needs the socket.
        for pid, parent, _, command in processes():
            if parent == lost and "[local]" in command:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(pid, signal.SIGTERM)
        wait_until(lambda: home.postmaster() not in {0, lost})
        _every_worker_answers_again(service)
        found_at = time.monotonic()
        wait_until(lambda: len(running.begun_since(found_at)) > 40)
    assert {answer.status for answer in running.begun_since(found_at)} == {200}
    assert {answer.status for _, _, answer in running.answers} <= {200, 503}
    assert service.workers() == workers
    assert "for its socket was removed" in service.said()


def test_a_frozen_database_is_said_in_time_and_found_again(home: Home, service: Service) -> None:
    def outage() -> float:
        with load(service, ANEW, clients=CROWD) as running:
            _is_busy(running)
            frozen = _freeze(home)
            try:
                time.sleep(4)  # longer than any request may wait, so that nobody gains by patience
            finally:
                _thaw(frozen)
            assert _seconds_until_it_answers(service) < 10
        _are_problems(running)
        return _slowest(running)

    _in_time(outage)


def test_health_is_quick_while_the_database_is_away(home: Home, service: Service) -> None:
    assert service.answers()

    def outage() -> float:
        frozen = _freeze(home)
        try:
            wait_until(lambda: {service.get("/health/ready").status for _ in range(8)} == {503})
            with load(service, ANEW, clients=8):
                asked = [service.get("/health") for _ in range(40)]
        finally:
            _thaw(frozen)
        assert {answer.status for answer in asked} == {200}
        _seconds_until_it_answers(service)
        return max(answer.seconds for answer in asked)

    _in_time(outage, 1)


@pytest.fixture
def other_postgres(home: Home) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the service does not own."""
    folder = home.folder / "another"
    postgres = EmbeddedPostgres(folder, fallback_root=home.folder / "fallback", socket_root=home.folder)
    postgres.acquire()
    yield postgres
    postgres.release()


def test_another_postgresql_may_stop_and_start_again(home: Home, other_postgres: EmbeddedPostgres) -> None:
    url = f"postgresql:///openwatt?host={other_postgres.paths.sockets}&user=openwatt"
    service = home.service(OPENWATT_DATABASE_URL=url).ready()
    outages = 0

    def outage() -> float:
        nonlocal outages
        outages += 1
        with load(service, ANEW, clients=CROWD) as running:
            _is_busy(running)
            other_postgres.release()
            wait_until(lambda: any(answer.status == 503 for _, _, answer in running.answers))
            time.sleep(3)  # long enough for every back-off to have grown
            other_postgres.acquire()
            assert _seconds_until_it_answers(service) < 5
            _every_worker_answers_again(service)
            found_at = time.monotonic()
            wait_until(lambda: len(running.begun_since(found_at)) > CROWD)
            assert {answer.status for answer in running.begun_since(found_at)} == {200}
        _are_problems(running)
        return _slowest(running)

    _in_time(outage)
    said = service.said()
    assert said.count('"event":"the database does not answer"') <= 2 * outages, "once for each worker"
    assert "error connecting" not in said
    assert "Traceback" not in said
    assert service.end() == 0
    assert not home.database_runs()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_outage_after_another_changes_nothing(home: Home, service: Service) -> None:
    """Thirty outages of random kind and length, under load, in one life of a service."""
    chance = random.Random(2026)  # noqa: S311 - a test that can be repeated needs no secrets
    workers = service.both_workers()
    for _ in range(30):
        with load(service, ANEW, "/health", clients=CROWD) as running:
            _is_busy(running)
            frozen = _freeze(home)
            time.sleep(chance.uniform(0, 4))
            if chance.random() < 0.5:
                os.kill(frozen[0], signal.SIGKILL)
            _thaw(frozen)
            assert _seconds_until_it_answers(service) < 20
        assert {answer.status for _, _, answer in running.answers} <= {200, 503}
        assert _slowest(running) < PROMISED_S
    assert service.both_workers() == workers
    assert "Traceback" not in service.said()
