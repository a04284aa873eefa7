"""`/v1/prices/now` beside a bare Flask view, and 1,000 homes that ask it each minute: run by path."""

import argparse
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response
from werkzeug.test import EnvironBuilder

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.calls import ratio  # noqa: E402  # found by the line above
from bench.service import open_folder, progress  # noqa: E402  # found by the line above
from openwatt.app import create_app  # noqa: E402  # the code beside this file
from openwatt.bootstrap import held_database, prepare_database  # noqa: E402  # the code beside this file
from openwatt.domain.legal_time import PARIS  # noqa: E402  # the code beside this file
from openwatt.settings import Settings  # noqa: E402  # the code beside this file
from openwatt.web.http.app_state import state_of  # noqa: E402  # the code beside this file

PATH = "/v1/prices/now"
#: A day whose colours are all known, a tariff in the middle of its time.
DAY = dt.datetime(2026, 1, 14, tzinfo=PARIS)
CONTRACTS = {
    "Base": {"option": "BASE", "power_kva": 6},
    "off-peak hours": {"option": "HPHC", "power_kva": 6, "off_peak_hours": "22:30-06:30"},
    "Tempo": {"option": "TEMPO", "power_kva": 9},
}
HOMES, MINUTES = 1000, 60
#: Hours of a day in which the answers change: at 06:30, 22:30 and midnight.
HOURS_WITH_CHANGES = 3
CLOCK = [DAY]


def environ(query: str) -> dict[str, Any]:
    """A request for the price of now."""
    return EnvironBuilder(
        path=PATH, query_string=query, environ_overrides={"REMOTE_ADDR": "127.0.0.1"}
    ).get_environ()


def bare_app(body: bytes) -> Flask:
    """The least that Flask can do: a view of these bytes."""
    app = Flask("bare")

    @app.get(PATH)
    def _now() -> Response:
        return Response(body, content_type="application/json")

    return app


def micros(app: Flask, queries: Sequence[str]) -> float:
    """Processor µs of a request; every answer must be a 200."""
    statuses: list[str] = []
    environs = [environ(query) for query in queries]

    def start_response(status: str, *_: Any) -> Callable[[bytes], None]:
        statuses.append(status)
        return lambda _bytes: None

    began = time.process_time()
    for each in environs:
        answer = app.wsgi_app(each, start_response)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
    spent = time.process_time() - began
    assert {status[:3] for status in statuses} == {"200"}, set(statuses)
    return spent / len(queries) * 1e6


def compare(app: Flask, rounds: int, requests: int) -> None:
    """Prints µs of the bare view and of the service, cached and not cached (medians), and their ratios."""
    print(
        f"\nprocessor µs of a request{'':9}{'bare':>8}{'cached':>8}{'ratio':>9}{'not cached':>12}{'ratio':>9}"
    )
    for name, contract in CONTRACTS.items():
        query = urlencode(contract)
        bare = bare_app(app.test_client().get(f"{PATH}?{query}").data)
        times: tuple[list[float], list[float], list[float]] = ([], [], [])
        for turn in range(rounds + 1):
            progress(f"{name}: round {turn} of {rounds}")
            # Instants that nobody asks for twice.
            first = DAY + dt.timedelta(hours=5) * turn
            instants = [first + dt.timedelta(seconds=n) for n in range(requests)]
            once = [urlencode(contract | {"at": instant.isoformat()}) for instant in instants]
            found = (
                micros(bare, [query] * requests),
                micros(app, [query] * requests),
                micros(app, once),
            )
            if turn:  # the first only warms
                for kept, one in zip(times, found, strict=True):
                    kept.append(one)
        plain, cached, uncached = times
        print(
            f"  {name:32}{median(plain):8.0f}{median(cached):8.0f}{ratio(cached, plain):7.2f} ×"
            f"{median(uncached):12.0f}{ratio(uncached, plain):7.2f} ×"
        )


def poll(app: Flask) -> None:
    """Prints the processor time of a day of homes that ask each minute, each about its own contract."""
    starts = [
        (f"{n // 60:02}:{n % 60:02}", f"{(n // 60 + 8) % 24:02}:{n % 60:02}") for n in range(1320, 1350)
    ]
    powers = (6, 9, 12, 15, 18)
    homes = [
        urlencode({"option": "HPHC", "power_kva": power, "off_peak_hours": f"{start}-{end}"})
        for start, end in starts
        for power in powers
    ]
    homes = [homes[n % len(homes)] + "&offer=Tarif+Bleu" * (n // len(homes) % 2) for n in range(HOMES)]
    hours: dict[str, float] = {}
    for name, hour in (("quiet", 14), ("with changes", 22)):
        CLOCK[0] = DAY + dt.timedelta(hours=hour)
        micros(app, homes * 2)  # as the hour before has left the cache
        spent = 0.0
        for minute in range(MINUTES):
            progress(f"{HOMES:,} homes, an hour {name}: minute {minute} of {MINUTES}")
            CLOCK[0] = DAY + dt.timedelta(hours=hour, minutes=minute)
            spent += micros(app, homes) * len(homes) / 1e6
        hours[name] = spent
    state = state_of(app)
    began = time.process_time()
    for _ in range(200):
        state.database.read_number("database/data_version")
    version = (time.process_time() - began) / 200 * 86_400
    quiet, changing = hours["quiet"], hours["with changes"]
    day = quiet * (24 - HOURS_WITH_CHANGES) + changing * HOURS_WITH_CHANGES + version
    print(
        f"\n{HOMES:,} homes that ask each minute ({HOMES * 1440:,} requests a day)\n"
        f"  an hour in which nothing changes  {quiet:6.1f} s of a processor\n"
        f"  an hour in which every answer does{changing:6.1f} s\n"
        f"  the data's version, once a second {version:6.1f} s a day\n"
        f"  a day                             {day:6.0f} s, {day / 864:.2f} % of a processor"
    )


def main() -> None:
    """Runs both measurements on one embedded database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the comparison (default 7)")
    parser.add_argument("--requests", type=int, default=400, help="requests of a round (default 400)")
    arguments = parser.parse_args()
    with open_folder() as folder:
        settings = Settings(data_dir=folder / "data", workers=1, limit_api="999999999/minute")
        with held_database(settings):
            prepare_database(settings)
            app = create_app(settings, clock=lambda: CLOCK[0])
            print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
            CLOCK[0] = DAY + dt.timedelta(hours=14)
            compare(app, arguments.rounds, arguments.requests)
            poll(app)
            state_of(app).database.close()


if __name__ == "__main__":
    main()
