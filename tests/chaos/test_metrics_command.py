"""`openwatt metrics`: the numbers of a running service from a process of their own."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.chaos.running import Home, Service

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
