import datetime as dt
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import psutil
import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import References
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.ingest.declarations import SourceDeclaration, load_sources
from openwatt.ingest.inspection import Inspection, inspect_document
from openwatt.ingest.sandbox import DocumentSandbox, ReaderStartError, ReadingLimits
from tests.ingest.drawn_sheets import merged_price_cells
from tests.ingest.hostile_documents import bomb, encrypted, endless_text, slow_pages, ten_thousand_pages
from tests.shared_data import SHARED, needs_shared_data

TODAY = dt.date(2026, 11, 22)
#: Enough for any sheet; a bomb of the tests needs more than the memory, an endless text more than the time.
LIMITS = ReadingLimits(seconds=60.0, cpu_seconds=10, memory_bytes=150_000_000)
GOOD = merged_price_cells().pdf


@pytest.fixture(scope="module")
def sources() -> dict[str, SourceDeclaration]:
    return load_sources()


@pytest.fixture(scope="module")
def references() -> References:
    return shipped_references()


Inspect = Callable[[bytes], Inspection]


@pytest.fixture
def inspecting(
    sources: dict[str, SourceDeclaration], references: References
) -> Iterator[Callable[..., Inspect]]:
    """Makes an inspector with limits; it ends with the test."""
    made = []

    def of(limits: ReadingLimits = LIMITS) -> Inspect:
        made.append(DocumentSandbox(limits))
        return lambda document: made[-1].inspect_document(document, sources, references, on=TODAY)

    yield of
    for inspector in made:
        inspector.close()
    assert not readers()


def readers() -> list[psutil.Process]:
    """The processes that read for this one."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "openwatt.ingest.sandbox" in child.cmdline()
    ]


def test_a_bounded_reading_is_the_same_reading(
    inspecting: Callable[..., Inspect], sources: dict[str, SourceDeclaration], references: References
) -> None:
    inspect = inspecting()
    documents = [GOOD, b'{"values": {"2026-11-22": "RED"}}', b"<html>", b"", b"%PDF-1.7"]
    for document in documents:
        expected = inspect_document(document, sources, references, on=TODAY)
        assert inspect(document) == expected
    assert inspect(GOOD).reading.lines


@needs_shared_data
def test_the_corpus_is_read_the_same_in_one_process(
    inspecting: Callable[..., Inspect], sources: dict[str, SourceDeclaration], references: References
) -> None:
    inspect = inspecting(ReadingLimits())
    paths = [*SHARED.glob("grids/pdf/*.pdf"), *SHARED.glob("trve/cre_open_data/*.csv")]
    assert len(paths) > 20
    pids = set()
    for path in paths:
        document = path.read_bytes()
        expected = inspect_document(document, sources, references, on=TODAY)
        assert inspect(document) == expected, path
        pids |= {reader.pid for reader in readers()}
    assert len(pids) == 1


@pytest.mark.parametrize(
    ("document", "limits", "reason"),
    [
        (encrypted, LIMITS, "the PDF is locked by a password"),
        (ten_thousand_pages, LIMITS, "10000 pages, the limit is 150"),
        (lambda: bomb(megabytes=300), LIMITS, "more than 150 MB"),
        (endless_text, LIMITS, "more text than any price sheet|more than 150 MB|more than 10 s"),
        (slow_pages, ReadingLimits(seconds=1.5), "reading it takes longer than 1.5 s"),
        (
            slow_pages,
            ReadingLimits(seconds=90.0, cpu_seconds=1),
            "reading it needs more than 1 s of computing",
        ),
        (lambda: GOOD[:1500], LIMITS, "damaged or cut short"),
        (lambda: b"%PDF-1.7\n" + b"\0" * 1000, LIMITS, "damaged or cut short"),
        (
            lambda: b"%PDF-" + b" " * MAX_DOCUMENT_BYTES,
            LIMITS,
            f"the limit is {MAX_DOCUMENT_BYTES}|more than 150 MB",
        ),
        (lambda: b"[" * 100_000, LIMITS, "not a PDF"),
    ],
    ids=["encrypted", "pages", "bomb", "text", "time", "computing", "cut", "junk", "large", "json"],
)
def test_a_hostile_document_is_unreadable_and_the_next_one_is_read(
    inspecting: Callable[..., Inspect], document: Callable[[], bytes], limits: ReadingLimits, reason: str
) -> None:
    inspect = inspecting(limits)
    made = document()
    start = time.monotonic()
    inspection = inspect(made)
    assert time.monotonic() - start < limits.seconds + 10
    assert inspection.outcome == "unreadable"
    assert inspection.reason
    assert any(part in inspection.reason for part in reason.split("|")), inspection.reason
    assert inspect(GOOD).reading.lines


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_of_the_reader_is_unreadable_and_the_next_one_is_read(
    inspecting: Callable[..., Inspect], number: signal.Signals
) -> None:
    inspect = inspecting()
    inspect(GOOD)
    (reader,) = readers()
    before = reader.cpu_times().user

    def crash() -> None:
        while reader.cpu_times().user < before + 0.2:
            time.sleep(0.01)
        os.kill(reader.pid, number)

    thread = threading.Thread(target=crash)
    thread.start()
    inspection = inspect(slow_pages())
    thread.join()
    assert inspection.outcome == "unreadable"
    assert f"ended by {number.name}: the PDF library crashed on it" in str(inspection.reason)
    assert inspect(GOOD).reading.lines


def test_a_reader_that_died_between_documents_is_replaced(inspecting: Callable[..., Inspect]) -> None:
    inspect = inspecting()
    expected = inspect(GOOD)
    (reader,) = readers()
    reader.kill()
    psutil.wait_procs([reader], timeout=10)
    assert inspect(GOOD) == expected


def test_a_reader_is_replaced_after_its_share_of_documents(inspecting: Callable[..., Inspect]) -> None:
    inspect = inspecting(ReadingLimits(documents=2))
    pids = []
    for _ in range(2):
        inspect(GOOD)
        pids += [reader.pid for reader in readers()]
        inspect(GOOD)
        assert not readers()
    assert len(set(pids)) == 2


def test_each_document_has_its_own_time_of_computing(inspecting: Callable[..., Inspect]) -> None:
    inspect = inspecting(ReadingLimits(seconds=90.0, cpu_seconds=1, documents=10_000))
    inspect(GOOD)
    (reader,) = readers()
    document = slow_pages(2, 1_000_000)
    while reader.cpu_times().user < 2.2:
        assert inspect(document).outcome == "refused"
    assert readers() == [reader]


def test_a_fault_of_ours_is_told_as_ours_and_logged(
    sources: dict[str, SourceDeclaration], references: References, caplog: pytest.LogCaptureFixture
) -> None:
    with DocumentSandbox(LIMITS) as inspector:
        broken = cast("References", "no references")
        inspection = inspector.inspect_document(GOOD, sources, broken, on=TODAY)
        assert inspection.outcome == "unreadable"
        assert "a fault of OpenWatt, to be reported" in str(inspection.reason)
        assert [(record.levelno, record.message) for record in caplog.records] == [
            (logging.ERROR, "document reader failed")
        ]
        assert "Traceback" in vars(caplog.records[0])["error"]
        assert inspector.inspect_document(GOOD, sources, references, on=TODAY).reading.lines


def test_a_name_that_is_no_source_is_an_error_of_who_asks(
    sources: dict[str, SourceDeclaration], references: References
) -> None:
    with DocumentSandbox(LIMITS) as inspector, pytest.raises(KeyError, match="nobody"):
        inspector.inspect_document(GOOD, sources, references, on=TODAY, name="nobody")


def test_a_reader_that_cannot_start_is_no_documents_fault(
    sources: dict[str, SourceDeclaration], references: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with (
        DocumentSandbox() as inspector,
        pytest.raises(ReaderStartError, match=r"does not start: .* ended with status 1"),
    ):
        inspector.inspect_document(GOOD, sources, references, on=TODAY)
    assert not readers()


def test_a_reader_gets_none_of_our_secrets(
    inspecting: Callable[..., Inspect], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWATT_ADMIN_TOKEN", "T" * 32)
    monkeypatch.setenv("PGPASSWORD", "secret")
    inspecting()(GOOD)
    (reader,) = readers()
    names = reader.environ().keys()
    assert "PATH" in names
    assert not {name for name in names if name.startswith(("OPENWATT", "PG"))}
