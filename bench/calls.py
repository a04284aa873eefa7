"""Requests that are measured: by WSGI in this process, or under wrk; each load checks its answers first."""

import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from bench.service import PATH, Service

GZIP = {"Accept-Encoding": "gzip"}
NO_ENCODING = {"Accept-Encoding": "identity"}
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Case(NamedTuple):
    """A request that is measured, what it must answer, and which case it is compared with."""

    name: str
    headers: Mapping[str, str]
    status: int
    body: bytes
    beside: str


class Load(NamedTuple):
    """What a load found: requests answered, a worker's processor µs for one, the slowest of a hundred."""

    requests: int
    micros: float
    p99_ms: float


def caller(app: Flask, case: Case, clock: Callable[[], float] = time.thread_time) -> Callable[[int], float]:
    """Makes n requests and gives the processor µs of one; checks an answer first."""
    wsgi = app.wsgi_app
    environ = EnvironBuilder(
        path=PATH, headers=list(case.headers.items()), environ_overrides={"REMOTE_ADDR": "127.0.0.1"}
    ).get_environ()

    def start_response(*_: Any) -> Callable[[bytes], None]:
        return lambda _bytes: None

    answer, status, _headers = run_wsgi_app(wsgi, environ.copy())
    sent = b"".join(answer)
    assert status.startswith(str(case.status)), f"{case.name}: {status}"
    assert sent == case.body, f"{case.name}: other bytes than expected"

    def call(times: int) -> float:
        environs = [environ.copy() for _ in range(times)]
        began = clock()
        for each in environs:
            answer = wsgi(each, start_response)
            for _ in answer:
                pass
            if hasattr(answer, "close"):
                answer.close()
        return (clock() - began) / times * 1e6

    return call


def load(service: Service, case: Case, seconds: float, connections: int) -> Load:
    """One load by wrk; checks one answer first, and that no request failed."""
    status, _headers, body = service.get(headers=case.headers)
    assert status == case.status, f"{case.name}: {status}"
    assert body == case.body, f"{case.name}: other bytes than expected"
    command = ["wrk", "--latency", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s"]
    for name, value in case.headers.items():
        command += ["-H", f"{name}: {value}"]
    before = service.worker_seconds()
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{service.port}{PATH}"], capture_output=True, text=True, check=True
    ).stdout
    spent = service.worker_seconds() - before
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    count = re.search(r"(\d+) requests in", said)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", said)
    assert count, said
    assert slow, said
    requests = int(count[1])
    assert requests > 100, said
    return Load(requests, spent / requests * 1e6, float(slow[1]) * _MILLISECONDS[slow[2]])


def ratio(own: Sequence[float], beside: Sequence[float]) -> float:
    """The median of each round's own ratio: what a busy machine disturbs least."""
    return median(one / other for one, other in zip(own, beside, strict=True))


def table(title: str, product: Iterable[Case], micros: Mapping[str, Sequence[float]]) -> None:
    """Prints µs (median) for each case, and its ratio to the case beside it."""
    print(f"\n{title:44}{'beside':>8}{'own':>8}{'ratio':>9}")
    for case in product:
        beside, own = micros[case.beside], micros[case.name]
        print(
            f"  {case.name:22}beside {case.beside:13}"
            f"{median(beside):8.0f}{median(own):8.0f}{ratio(own, beside):7.2f} ×"
        )
