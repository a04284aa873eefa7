"""`openwatt metrics`: the numbers of a running service from a process of their own."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.chaos.running import Home, Service, wait_until

OPENWATT = str(Path(sys.executable).with_name("openwatt"))


def scraped(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  our own process on loopback
        return str(answer.read().decode())


def test_the_separate_process_tells_the_services_numbers_even_while_it_is_frozen(
    home: Home, service: Service
) -> None:
    for _ in range(3):
        assert service.answers()
    environment = home.environment(OPENWATT_BIND=f"127.0.0.1:{service.port}")
    command = [OPENWATT, "metrics", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            address = re.search(r"http://\S+/metrics", said)
            assert address, said
            frozen = service.both_workers()
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            try:
                told = scraped(address[0])
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
            counted = re.findall(
                r'^http_requests_total\{.*route="/v1/tariffs",status="200"\} (\d+)', told, re.MULTILINE
            )
            assert sum(map(int, counted)) >= 3
            assert "openwatt_build_info" in told
            assert "openwatt_ingest_state_readable 1.0" in told
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_without_a_service_it_answers_and_starts_no_database(home: Home) -> None:
    command = [OPENWATT, "metrics", "--port", "0"]
    with subprocess.Popen(command, env=home.environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = scraped(process.stdout.readline().split()[-1])
        finally:
            process.send_signal(signal.SIGINT)
    assert "openwatt_ingest_state_readable 0.0" in told
    assert not home.database_runs()


def test_a_port_that_is_taken_is_said(home: Home, service: Service) -> None:
    done = home.command("metrics", "--port", str(service.port))
    assert done.returncode == 1
    assert f"port {service.port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_file_of_a_living_worker_costs_neither_scrape_and_its_numbers_come_back(
    home: Home, service: Service
) -> None:
    for _ in range(10):
        assert service.answers()
    (folder,) = (home.data / "metrics").iterdir()
    command = [OPENWATT, "metrics", "--port", "0"]
    environment = home.environment(OPENWATT_BIND=f"127.0.0.1:{service.port}")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            frozen = service.both_workers()
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)  # so that the worker does not write it again before it is seen
            try:
                for file in folder.glob("counter_*-[12].db"):
                    with file.open("r+b") as opened:
                        opened.write(b"no header any more")
                told = scraped(address)
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
            assert 'openwatt_metrics_files{state="damaged"} 2.0' in told
            assert "openwatt_build_info" in told

            def counted() -> int:
                found = re.findall(
                    r'^http_requests_total\{.*route="/v1/tariffs",status="200"\} (\d+)',
                    service.get("/metrics").body.decode(),
                    re.MULTILINE,
                )
                return sum(map(int, found))

            wait_until(lambda: counted() == 10)
            assert len(list(folder.glob("counter_*.db.damaged"))) == 2
            assert service.both_workers() == frozen
        finally:
            process.send_signal(signal.SIGINT)
