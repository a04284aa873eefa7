"""Addresses of `/v1/tariffs` asked in a row, in this process, of the service or of the plain view."""

import datetime as dt
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from bench.plain_view import plain_app
from bench.rung import Rung, rung_app
from openwatt.bootstrap import locate_database
from openwatt.observability import telemetry_config
from openwatt.settings import read_settings
from openwatt.telemetry.start import start_telemetry
from openwatt.web.http.app_state import state_of

_PATH = "/v1/tariffs"
#: Days, each of which is asked for once: nothing can be cached.
_DAYS = [dt.date(2023, 1, 1) + dt.timedelta(days=number) for number in range(1400)]


def one_contract() -> Iterator[str]:
    """Each day of one contract, never the same address twice."""
    contract = "supplier=EDF&option=BASE&power_kva=6"
    return (f"{contract}&on={day}&limit={limit}" for limit in range(1, 1000) for day in _DAYS)


def hundred_tariffs() -> Iterator[str]:
    """The first page of each day, never the same address twice."""
    return (f"on={day}&limit={100 + turn}" for turn in itertools.count() for day in _DAYS)


def mixture() -> Iterator[str]:
    """Two hundred addresses, few of them asked often and most of them seldom (Zipf)."""
    chosen = random.Random(20261128)  # noqa: S311 - the same at each run
    addresses = [
        f"option={option}&power_kva={power}&on={day}"
        for option in ("BASE", "HPHC", "TEMPO")
        for power in (3, 6, 9, 12)
        for day in _DAYS[-17:]
    ]
    chosen.shuffle(addresses)
    weights = [1 / place for place in range(1, len(addresses) + 1)]
    while True:
        yield from chosen.choices(addresses, weights, k=1000)


MIXTURES: Mapping[str, Callable[[], Iterator[str]]] = {
    "one contract, not cached": one_contract,
    "100 tariffs, not cached": hundred_tariffs,
    "mixture of addresses": mixture,
}


def count_of(app: Flask, query: str) -> int:
    """How many tariffs an app answers to an address."""
    answer, status, _ = run_wsgi_app(app.wsgi_app, EnvironBuilder(_PATH, query_string=query).get_environ())
    assert status.startswith("200"), status
    return len(msgspec.json.decode(b"".join(answer))["tariffs"])


def processor_micros(app: Flask, queries: Sequence[str]) -> float:
    """Processor µs of a request, of all threads of this process."""
    environ = EnvironBuilder(_PATH, environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).get_environ()
    environs = [environ | {"QUERY_STRING": query} for query in queries]
    statuses: set[str] = set()

    def start_response(status: str, *_: Any) -> Callable[[bytes], None]:
        statuses.add(status)
        return lambda _bytes: None

    began = time.process_time()
    for each in environs:
        answer = app.wsgi_app(each, start_response)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
    spent = time.process_time() - began
    assert statuses == {"200 OK"}, statuses
    return spent / len(queries) * 1e6


def answer_addresses(pipe: Connection, rung: Rung | None, environment: Mapping[str, str], log: Path) -> None:
    """A process that asks itself: (mixture, times) in, µs of a request out; None is the plain view."""
    with log.open("wb") as written:
        os.dup2(written.fileno(), sys.stdout.fileno())
    settings = read_settings({**environment, **(rung.settings if rung else {})})
    if rung is None:
        app = plain_app(locate_database(settings))
        close: list[Callable[[], object]] = [app.extensions["pool"].close]
    else:
        telemetry = start_telemetry(telemetry_config(settings, multiprocess=True))
        app = rung_app(rung, settings, telemetry)
        close = [state_of(app).database.close, telemetry.close]
    streams = {name: make() for name, make in MIXTURES.items()}
    pipe.send({name: count_of(app, next(make())) for name, make in MIXTURES.items()})
    while (asked := pipe.recv()) is not None:
        name, times = asked
        pipe.send(processor_micros(app, list(itertools.islice(streams[name], times))))
    for end in close:
        end()
