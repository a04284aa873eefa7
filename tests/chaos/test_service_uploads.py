"""A real worker under uploads that are made to be heavy: its memory is bounded, and others are answered."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.chaos.running import Answer, Home, Service
from tests.ingest.hostile_documents import bomb, endless_text, slow_pages
from tests.meter.bombs import filled, workbook

MB = 1024 * 1024
MOST_BYTES = 400 * MB
MOST_CPU_SECONDS = 5
TOKEN = "a-token-of-the-tests-that-is-long-enough"  # noqa: S105 - it opens nothing else
HEAVY = {
    "cells far apart": workbook(b'<row><c r="XFD1"><v>1</v></c></row>' * 12_000),
    "lists": filled("[", "[],[{}],", "1]", 31 * MB),
    "lines": filled("", "\r\n--", "", 31 * MB),
}


def upload(service: Service, data: bytes) -> Answer:
    head = b'--b\r\nContent-Disposition: form-data; name="power_kva"\r\n\r\n6\r\n--b\r\n'
    head += b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return service.get("/v1/bills", method="POST", headers=headers, body=head + data + b"\r\n--b--\r\n")


def held_by(worker: psutil.Process) -> int:
    """What a worker and all that it has started hold, pages that they share counted for each."""
    total = 0
    for process in (worker, *worker.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextlib.contextmanager
def bounded(service: Service) -> Iterator[psutil.Process]:
    """The one worker of a service, which holds less than its bound for as long as the block lasts."""
    (pid,) = service.workers()
    worker, done, most = psutil.Process(pid), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], held_by(worker))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield worker
    finally:
        done.set()
        watching.join()
    assert 30 * MB < most[0] < MOST_BYTES, f"{most[0] // MB} MB"
    assert service.workers() == [pid], "the same worker has answered all"


def test_four_heavy_uploads_at_once_leave_a_worker_below_400_mb(home: Home) -> None:
    service = home.service(OPENWATT_WORKERS="1").ready()
    with bounded(service) as worker:
        for data in HEAVY.values():
            with ThreadPoolExecutor(4) as clients:
                sent = [clients.submit(upload, service, data) for _ in range(4)]
                assert service.answers(), "others are answered meanwhile"
                answers = [one.result() for one in sent]
            assert {answer.status for answer in answers} <= {422, 503}
            assert 422 in {answer.status for answer in answers}
            assert all(b"bring" in answer.body for answer in answers if answer.status == 422)
    assert service.end() == 0
    assert not worker.is_running()


def test_a_heavy_document_of_an_administrator_is_bounded_too(home: Home) -> None:
    service = home.service(OPENWATT_WORKERS="1", OPENWATT_ADMIN_TOKEN=TOKEN).ready()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/pdf"}
    with bounded(service) as worker:
        for document in (bomb(megabytes=700), slow_pages(), endless_text()):
            before = spent_by(worker)
            answer = service.get("/v1/admin/inspect", method="POST", headers=headers, body=document)
            assert (answer.status, answer.json()["outcome"]) == (200, "unreadable")
            assert spent_by(worker) - before < MOST_CPU_SECONDS
    assert service.end() == 0


def spent_by(worker: psutil.Process) -> float:
    """Processor seconds of a worker and of the processes that it has started and that have ended."""
    return sum(worker.cpu_times()[:4])
