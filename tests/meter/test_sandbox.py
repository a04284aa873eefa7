"""The process apart: the same curves, limits that hold, and nothing that outlives a file."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import psutil
import pytest

from openwatt.domain.errors import MeterFileError
from openwatt.meter import read, sandbox
from openwatt.meter.bounds import MeterBoundError
from openwatt.meter.options import FileOptions
from openwatt.meter.sandbox import MeterSandbox, ReaderFaultError, SandboxBusyError, SandboxLimits
from openwatt.sentences.catalogue import sentence
from tests.meter.refused import refused
from tests.meter.test_makers import FILES, HOURLY, NOW
from tests.meter.test_upload_cost import ten_years


@pytest.fixture
def apart() -> Iterator[MeterSandbox]:
    made = MeterSandbox()
    yield made
    made.close()


def process_of(apart: MeterSandbox) -> psutil.Process:
    assert apart.pid is not None
    return psutil.Process(apart.pid)


@pytest.mark.parametrize("form", sorted(FILES))
def test_a_file_is_read_as_in_this_process(form: str) -> None:
    data = FILES[form]()
    here, there = read.read_load_curve(data, NOW), sandbox.sandbox().read_load_curve(data, NOW)
    for name in ("starts_min", "steps_min", "energies"):
        assert np.array_equal(getattr(here, name), getattr(there, name)), name
    assert here.findings == there.findings
    with pytest.raises(ValueError, match="read-only"):
        there.energies[0] = 1


def test_a_refusal_keeps_its_sentence(apart: MeterSandbox) -> None:
    with refused("is of no known maker"):
        apart.read_load_curve(b"Dear Sir or Madam,\n", NOW)


def test_a_sentence_that_repeats_a_file_is_cut(apart: MeterSandbox) -> None:
    kind = HOURLY.replace("Courbe de charge", "x" * 6000)
    with pytest.raises(MeterFileError) as refusal:
        apart.read_load_curve(kind.encode(), NOW)
    assert len(sentence(refusal.value)) < 500


def costs_of(apart: MeterSandbox, *files: bytes) -> list[float]:
    """The processor time that each of these files takes on this machine, in seconds."""
    costs: list[sandbox.Cost] = []
    for data in files:
        apart.read_load_curve(data, NOW, on_cost=costs.append)
    return [cost.cpu_seconds for cost in costs]


@pytest.mark.parametrize(
    ("limit", "sentence_of_it"),
    [
        ("memory", "needs more than 30 MB of memory; bring a shorter period"),
        ("time", "s of processor time; bring a shorter period"),
    ],
)
def test_a_limit_is_named_and_the_next_file_is_read(
    apart: MeterSandbox, limit: str, sentence_of_it: str
) -> None:
    # Far from both on a machine of any speed: between what a short and a long file take.
    short, long = costs_of(apart, HOURLY.encode(), ten_years())
    limits = (
        SandboxLimits(memory_mb=30) if limit == "memory" else SandboxLimits(cpu_seconds=(short * long) ** 0.5)
    )
    limited = MeterSandbox(limits)
    try:
        with refused(sentence_of_it, MeterBoundError):
            limited.read_load_curve(ten_years(), NOW)
        first = process_of(limited)
        assert len(limited.read_load_curve(HOURLY.encode(), NOW).starts_min) > 0
        assert process_of(limited) == first, "a limit ends the child, not the process"
    finally:
        limited.close()


def test_a_child_that_is_killed_is_a_refusal_and_the_next_file_is_read(apart: MeterSandbox) -> None:
    apart.read_load_curve(HOURLY.encode(), NOW)
    refusals: list[MeterFileError] = []

    def ask() -> None:
        try:
            apart.read_load_curve(ten_years(), NOW)
        except MeterFileError as refusal:
            refusals.append(refusal)

    for _ in range(20):  # a busy machine may look only when the file has been read
        asking = threading.Thread(target=ask)
        asking.start()
        children: list[psutil.Process] = []
        while asking.is_alive() and not children:
            # A child that is killed when it has answered ends the process, and the next file starts another.
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(apart.pid).children() if apart.pid else []
            time.sleep(0.01)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        asking.join()
        if refusals:
            break
    assert "ended before it was read" in sentence(refusals[0])
    assert len(apart.read_load_curve(HOURLY.encode(), NOW).starts_min) > 0


def test_a_process_that_has_ended_is_started_again(
    apart: MeterSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_IDLE_SECONDS", 0.1)
    apart.read_load_curve(HOURLY.encode(), NOW)
    first = process_of(apart)
    first.wait(20)
    assert len(apart.read_load_curve(HOURLY.encode(), NOW).starts_min) > 0
    assert apart.pid != first.pid


def test_a_process_killed_at_rest_is_started_again(apart: MeterSandbox) -> None:
    apart.read_load_curve(HOURLY.encode(), NOW)
    first = process_of(apart)
    first.kill()
    while first.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert len(apart.read_load_curve(HOURLY.encode(), NOW).starts_min) > 0


def test_a_file_waits_for_its_turn_and_not_for_ever() -> None:
    apart = MeterSandbox(SandboxLimits(seconds=0.2))
    with apart.turn(), pytest.raises(SandboxBusyError, match="try again"):
        apart.read_load_curve(HOURLY.encode(), NOW)


def test_a_process_that_does_not_answer_in_time_is_ended() -> None:
    apart = MeterSandbox(SandboxLimits(seconds=0.001))
    with pytest.raises(SandboxBusyError, match="too busy"):
        apart.read_load_curve(HOURLY.encode(), NOW)
    assert apart.pid is None


def test_the_process_knows_none_of_our_secrets(apart: MeterSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENWATT_DATABASE_URL", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-secret")
    apart.read_load_curve(HOURLY.encode(), NOW)
    assert "a-secret" not in str(process_of(apart).environ())
    assert process_of(apart).cwd() == "/"


def test_the_process_ends_with_who_started_it() -> None:
    pid, child = os.pipe(), os.fork()
    if child == 0:
        mine = MeterSandbox()
        mine.read_load_curve(HOURLY.encode(), NOW)
        os.write(pid[1], str(mine.pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    started = int(os.read(pid[0], 20))
    deadline = time.monotonic() + 20
    while psutil.pid_exists(started) and psutil.Process(started).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_fault_of_a_reader_says_where_and_nothing_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes, *_: object) -> None:
        raise ValueError(data.decode())

    monkeypatch.setattr(read, "read_load_curve", broken)
    answer, _ = sandbox.outcome_of(b"14290000000000", sandbox.Question(NOW.timestamp(), FileOptions()), 100)
    assert answer.fault is not None
    assert answer.fault.startswith("ValueError at ")
    assert "meter/sandbox.py:" in answer.fault
    assert "1429" not in answer.fault
    assert "1429" not in str(ReaderFaultError(answer.fault))
