"""A real worker under uploads that are made to be heavy: its memory is bounded, and others are answered."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.chaos.running import Answer, Home, Service
from tests.meter.bombs import filled, workbook

MB = 1024 * 1024
MOST_BYTES = 400 * MB
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


def test_four_heavy_uploads_at_once_leave_a_worker_below_400_mb(home: Home) -> None:
    service = home.service(OPENWATT_WORKERS="1").ready()
    (pid,) = service.workers()
    worker, done, most = psutil.Process(pid), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], held_by(worker))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        for data in HEAVY.values():
            with ThreadPoolExecutor(4) as clients:
                sent = [clients.submit(upload, service, data) for _ in range(4)]
                assert service.answers(), "others are answered meanwhile"
                answers = [one.result() for one in sent]
            assert {answer.status for answer in answers} <= {422, 503}
            assert 422 in {answer.status for answer in answers}
            assert all(b"bring" in answer.body for answer in answers if answer.status == 422)
    finally:
        done.set()
        watching.join()
    assert 30 * MB < most[0] < MOST_BYTES, f"{most[0] // MB} MB"
    assert service.workers() == [pid], "the same worker has answered all"
    assert service.end() == 0
    assert not worker.is_running()
