"""The wait for the database's return: nothing that happens to its thread leaves a process without it."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from openwatt.store.circuit_breaker import CircuitBreaker
from openwatt.store.database import Database
from openwatt.store.errors import DatabaseUnavailableError

REPOSITORY = Path(__file__).resolve().parents[2]
NOWHERE = "postgresql:///none?host=/nonexistent"


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not true():
        time.sleep(0.01)
    return bool(true())


@contextmanager
def no_more_threads(monkeypatch: pytest.MonkeyPatch, *, first: int = 0) -> Iterator[None]:
    """No thread can be started but the `first` ones, as under pids_limit, TasksMax or RLIMIT_NPROC."""
    start, left = threading.Thread.start, iter(range(first))

    def refused(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        yield


def test_the_wait_goes_on_whatever_an_attempt_raises(caplog: pytest.LogCaptureFixture) -> None:
    raised: list[Exception] = [
        ValueError("a reply that nobody foresaw"),
        ValueError("a reply that nobody foresaw"),
        MemoryError(),
        psycopg.OperationalError("refused"),
    ]

    def attempt() -> None:
        if raised:
            raise raised.pop(0)

    ended = threading.Event()
    breaker = CircuitBreaker(attempt, ended.set)
    breaker.open("gone")
    assert breaker.is_open
    assert ended.wait(10)
    assert wait_until(lambda: not breaker.is_open)
    said = [record for record in caplog.records if record.message == "the database does not answer yet"]
    assert [record.__dict__["reason"] for record in said] == [
        "ValueError: a reply that nobody foresaw",
        "MemoryError: ",
        "refused",
    ]
    assert [record.levelno for record in said] == [logging.ERROR, logging.ERROR, logging.WARNING]
    assert said[0].exc_info
    # Readers are let in first, and told after.
    assert wait_until(lambda: caplog.records[-1].message == "the database answers again")


def test_the_wait_goes_on_when_the_connections_cannot_be_renewed() -> None:
    failures = [RuntimeError("can't start new thread"), OSError("too many open files")]
    ended = threading.Event()

    def renew() -> None:
        if failures:
            raise failures.pop(0)
        ended.set()

    breaker = CircuitBreaker(lambda: None, renew)
    breaker.open("gone")
    assert ended.wait(10)
    assert wait_until(lambda: not breaker.is_open)
    assert not failures


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_wait_that_is_ended_by_force_refuses_no_reader() -> None:
    def attempt() -> None:
        raise SystemExit  # no `Exception`: nothing of ours raises it, a debugger or a signal might

    breaker = CircuitBreaker(attempt, lambda: None)
    for _ in range(2):
        breaker.open("gone")
        assert breaker.is_open
        assert wait_until(lambda: not breaker.is_open)
    # Readers are let in before the thread has ended: its exception would count against the next test.
    for thread in threading.enumerate():
        if thread.name == "outage":
            thread.join(10)


def test_without_a_thread_nothing_is_remembered_and_the_next_reader_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()
    breaker = CircuitBreaker(lambda: None, ended.set)
    with no_more_threads(monkeypatch):
        for _ in range(3):
            breaker.open("gone")
            assert not breaker.is_open
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message.partition(":")[0] for record in said] == ["no thread can wait for the database"]
    assert "pids_limit" in said[0].message
    breaker.open("gone")
    assert breaker.is_open
    assert ended.wait(10)


@pytest.mark.parametrize("first", range(5))
def test_a_pool_that_cannot_start_leaves_no_thread_and_the_next_read_is_answered(
    monkeypatch: pytest.MonkeyPatch, database: Callable[[str], Database], filled_url: str, first: int
) -> None:
    opened = database(filled_url)
    before = threading.active_count()
    if first < 4:  # the pool's own threads: a scheduler and three workers
        with no_more_threads(monkeypatch, first=first):
            for _ in range(3):
                with pytest.raises(DatabaseUnavailableError):
                    opened.read_number("schema/number")
        assert wait_until(lambda: threading.active_count() == before), threading.enumerate()
    assert opened.read_number("schema/number") > 0


def test_under_a_real_limit_of_processes_the_service_finds_its_database_again(filled_url: str) -> None:
    uid = 54_321 if os.geteuid() == 0 else None  # nobody else's processes count against this one's limit
    if uid is None:
        pytest.skip("only root can give a process an account of its own, whose limit nobody else uses up")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, filled_url],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["away", "away", "found"]


#: The limit is the account's: the process takes one that is its own, once everything is imported.
LIMITED = f"""
import os, resource, sys, threading, time
from openwatt.store.database import Database
from openwatt.store.errors import DatabaseUnavailableError
found = sys.argv[1]
where = ["{NOWHERE}"]
database = Database(lambda: where[0])
os.setresuid(0, 54321, 0)  # the socket of the tests' server is root's, to whom we go back
os.setresuid(54321, 54321, 0)
limit = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (1, limit[1]))
for _ in range(2):
    try:
        database.read_number("schema/number")
    except DatabaseUnavailableError as error:
        assert "can't start new thread" in str(error.__cause__), error.__cause__
        print("away")
os.setresuid(0, 0, 0)
resource.setrlimit(resource.RLIMIT_NPROC, limit)
where[0] = found
until = time.monotonic() + 20
while True:
    try:
        database.read_number("schema/number")
    except DatabaseUnavailableError:
        assert time.monotonic() < until
        time.sleep(0.1)
    else:
        print("found")
        break
database.close()
"""
