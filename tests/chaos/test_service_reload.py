"""Reload, upgrade and end under load: nobody notices, and the database stays up for whoever remains."""

import http.client
import os
import signal
import time

from tests.chaos.running import Answer, Home, Load, Service, load, wait_until

ANEW = "/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5"


def _answered_meanwhile(running: Load, more: int = 50) -> None:
    before = len(running.answers)
    wait_until(lambda: len(running.answers) > before + more)


def _nobody_noticed(answers: list[tuple[float, str, Answer]]) -> None:
    assert len(answers) > 100
    failed = [answer for _, _, answer in answers if answer.status != 200]
    assert not failed, (len(failed), len(answers), failed[:3])


def _masters(service: Service) -> list[int]:
    """The old master first, then the new one, which it started."""
    old = service.process.pid
    children = service.workers(old)
    return [old, *(child for child in children if service.workers(child))]


def test_a_reload_replaces_the_workers_and_loses_no_request(home: Home, service: Service) -> None:
    old, database = service.both_workers(), home.postmaster()
    with load(service, ANEW, "/health") as running:
        _answered_meanwhile(running)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not set(old) & set(service.workers()))
        _answered_meanwhile(running)
    _nobody_noticed(running.answers)
    assert service.both_workers()
    assert home.postmaster() == database


def test_an_upgrade_loses_no_request_and_keeps_the_database(home: Home) -> None:
    service = home.service().ready()
    old_workers, database = service.both_workers(), home.postmaster()
    with load(service, ANEW, "/health") as running:
        _answered_meanwhile(running)
        service.process.send_signal(signal.SIGUSR2)
        _, new_master = wait_until(lambda: found if len(found := _masters(service)) == 2 else [])
        wait_until(lambda: len(service.workers(new_master)) == 2)
        _answered_meanwhile(running)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(40) == 0
        wait_until(lambda: not set(old_workers) & set(service.group()))
        _answered_meanwhile(running)
        assert home.postmaster() == database, "the old master's end stopped the new one's database"
    _nobody_noticed(running.answers)

    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: not service.group())
    wait_until(lambda: not home.database_runs())


def test_an_upgrade_may_be_given_up(home: Home, service: Service) -> None:
    database = home.postmaster()
    with load(service, ANEW) as running:
        service.process.send_signal(signal.SIGUSR2)
        _, new_master = wait_until(lambda: found if len(found := _masters(service)) == 2 else [])
        os.kill(new_master, signal.SIGTERM)
        wait_until(lambda: new_master not in service.group())
        _answered_meanwhile(running)
    _nobody_noticed(running.answers)
    assert home.postmaster() == database


def test_an_end_under_load_finishes_what_runs_and_stops_the_database(home: Home) -> None:
    service = home.service().ready()
    with load(service, ANEW) as running:
        _answered_meanwhile(running)
        began = time.monotonic()
        assert service.end() == 0
        assert time.monotonic() - began < 15
    answered = [answer for _, _, answer in running.answers if answer.status]
    assert {answer.status for answer in answered} == {200}
    refused = {answer.body for _, _, answer in running.answers if not answer.status}
    assert all(b"Refused" in body or b"Reset" in body for body in refused), "cut off in the middle"
    assert not home.database_runs()
    assert "Traceback" not in service.said()


def test_ctrl_c_ends_the_service_and_its_database(home: Home) -> None:
    service = home.service().ready()
    os.killpg(service.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert service.process.wait(40) == 0
    wait_until(lambda: not service.group())
    assert not home.database_runs()
    assert "Traceback" not in service.said()


def test_a_request_that_has_begun_is_answered_before_the_end(home: Home) -> None:
    service = home.service().ready()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", "/health")
    assert connection.getresponse().read(), "so a worker has this connection"
    connection.sock.sendall(b"GET /health HTTP/1.1\r\n")
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Handling signal: term" in service.said())
    # The master signals its workers just after that record, and nothing shows when a worker has the signal.
    time.sleep(1)
    connection.sock.sendall(b"Host: x\r\n\r\n")
    answer = b"".join(iter(lambda: connection.sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b"Connection: close" in answer
    connection.close()
    assert service.process.wait(40) == 0
