"""The response cache stays within its bounds whatever is asked, and serves what is asked again."""

import datetime as dt
import itertools
import json
import math
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
from flask import Flask

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.store.tariffs import record_sighting
from openwatt.web.http import response_cache
from openwatt.web.http.app_state import state_of
from openwatt.web.http.content_negotiation import accepted_formats, accepts_gzip
from openwatt.web.http.response_cache import (
    MAX_BYTES,
    MAX_ENTRIES,
    CachedResponse,
    Representation,
    ResponseCache,
    footprint,
    key_of,
)
from tests.conftest import NOW, close_app

NOW_S = NOW.timestamp()
VERSION = 1
JSON, CSV, NONE = ("json", "json"), ("json", "csv"), ("", "")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def response(body: bytes, *, compressed: bytes | None = None) -> CachedResponse:
    """A response as the views make it."""

    def represented(data: bytes, etag: str) -> Representation:
        always = [("Cache-Control", "public, max-age=60"), ("Vary", "Accept"), ("ETag", etag)]
        return Representation(data, [*always, ("Content-Length", str(len(data)))], always)

    coded = None if compressed is None else represented(compressed, f'"{hash(body)}-gzip"')
    return CachedResponse(str(hash(body)), represented(body, str(hash(body))), coded, [], "/v1/x", "api.x")


def environ(path: str = "/v1/tariffs", query: str = "", **headers: str) -> dict[str, str]:
    """The part of a WSGI environment that a key is made of."""
    told = {f"HTTP_{name}": value for name, value in headers.items()}
    return {"PATH_INFO": path, "QUERY_STRING": query} | told


def ask(cache: ResponseCache, key: tuple[str, ...], made: CachedResponse) -> bool:
    """Asks as a view does; whether the response was there."""
    if cache.get(key, VERSION, NOW_S) is not None:
        return True
    if cache.admits(key):
        cache.put(key, VERSION, made)
    return False


@pytest.mark.parametrize("size", [0, 90, 5000, 80_000])
@pytest.mark.parametrize("longest", [10, 3900])
def test_the_size_of_an_entry_is_what_python_allocates_for_it(size: int, longest: int) -> None:
    cache = ResponseCache()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(80):
        key = key_of(environ(query=f"supplier={number:0{longest}}"))
        cache.put(key, VERSION, response(b"%d" % number + b"x" * size, compressed=b"y" * (size // 3)))
    allocated = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted = cache.statistics()["bytes"]
    assert cache.statistics()["entries"] == 80 or size == 80_000
    # What all entries share is counted in each: the names of headers, for the most part.
    assert allocated <= counted <= allocated + 80 * 1200


@pytest.mark.parametrize("kind", ["tiny", "long keys", "large", "too large"])
def test_memory_is_bounded_whatever_is_kept(kind: str) -> None:
    cache = ResponseCache()
    size = {"tiny": 20, "long keys": 20, "large": 200_000, "too large": MAX_BYTES // 4}[kind]
    length = 4000 if kind == "long keys" else 10
    turns = {"tiny": 5000, "long keys": 2500, "large": 200, "too large": 20}[kind]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(turns):
        key = key_of(environ(query=f"supplier={number:0{length}}"))
        cache.put(key, VERSION, response(b"%d" % number + b"x" * size))
        held = cache.statistics()
        assert held["bytes"] <= MAX_BYTES
        assert held["entries"] <= MAX_ENTRIES
    assert tracemalloc.get_traced_memory()[0] - before <= MAX_BYTES * 1.05
    tracemalloc.stop()
    assert (held["entries"] == 0) == (kind == "too large")


def test_one_off_questions_take_no_memory_and_push_nothing_out() -> None:
    cache = ResponseCache()
    wanted = [key_of(environ(query=f"power_kva={power}")) for power in range(1, 37)]
    for _ in range(2):
        for key in wanted:
            ask(cache, key, response(b"x" * 10_000))
    held = cache.statistics()
    assert held["entries"] == len(wanted)
    # What the cache or this test allocates: threads of other tests in this process allocate too.
    ours = [
        tracemalloc.Filter(inclusive=True, filename_pattern=name)
        for name in (response_cache.__file__, __file__)
    ]
    tracemalloc.start()
    for number in range(20_000):
        assert not ask(cache, ("/v1/tariffs", f"supplier={number}", "json", "json"), response(b"x"))
    left = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
    tracemalloc.stop()
    assert sum(file.size for file in left) < 10_000
    after = cache.statistics()
    assert (after["entries"], after["bytes"], after["evictions"]) == (held["entries"], held["bytes"], 0)
    assert all(ask(cache, key, response(b"")) for key in wanted)


def test_keys_whose_hashes_fall_together_are_admitted_all_the_same() -> None:
    cache = ResponseCache()
    found: dict[int, list[tuple[str, ...]]] = {}
    together: list[tuple[str, ...]] = []
    for number in itertools.count():
        key = key_of(environ(query=f"supplier={number}"))
        together = found.setdefault(hash(key) % 8192, [])
        together.append(key)
        if len(together) == 3:
            break
    for _ in range(2):
        for key in together:
            assert not ask(cache, key, response(b"x"))
    assert all(ask(cache, key, response(b"x")) for key in together)


def test_what_is_asked_often_stays_when_others_are_asked_twice() -> None:
    cache = ResponseCache()
    often = key_of(environ(query="option=BASE"))
    hits = 0
    for number in range(1000):
        hits += ask(cache, often, response(b"x" * 100_000))
        for _ in range(2):
            ask(cache, ("/v1/tariffs", f"supplier={number}", "json", "json"), response(b"x" * 50_000))
    assert hits == 998
    assert cache.statistics()["evictions"] > 500


def test_other_data_empty_the_cache() -> None:
    cache = ResponseCache()
    key = key_of(environ())
    for version in (1, 2, 1):
        assert cache.get(key, version, NOW_S) is None
        for number in range(50):
            cache.put((*key, str(number)), version, response(b"x"))
        cache.put(key, version, response(b"%d" % version))
        found = cache.get(key, version, NOW_S)
        assert found is not None
        assert found.plain.body == b"%d" % version
        assert cache.statistics()["entries"] == 51


def test_a_response_is_given_until_the_instant_it_is_true_for() -> None:
    cache = ResponseCache()
    key = key_of(environ())
    for until in (NOW_S + 1, NOW_S + 90):
        assert cache.get(key, VERSION, NOW_S) is None
        cache.put(key, VERSION, replace(response(b"x"), valid_until=until))
        assert cache.get(key, VERSION, until - 0.001) is not None
        assert cache.get(key, VERSION, until) is None
        assert cache.statistics()["entries"] == 1
        cache.put(key, VERSION + 1, response(b"y"))


@pytest.mark.parametrize(
    ("left_s", "max_age"), [(math.inf, 60), (61.0, 60), (60.0, 60), (59.9, 59), (1.0, 1), (0.4, 0), (-3.0, 0)]
)
@pytest.mark.parametrize("headers", [{}, {"IF_NONE_MATCH": "*"}, {"ACCEPT_ENCODING": "gzip"}])
def test_a_client_keeps_a_response_no_longer_than_it_is_true(
    left_s: float, max_age: int, headers: dict[str, str]
) -> None:
    made = replace(response(b"x" * 900, compressed=b"y"), valid_until=NOW_S + left_s)
    usual = replace(made, valid_until=math.inf).answer_to(environ(**headers), NOW_S)
    status, told, body = made.answer_to(environ(**headers), NOW_S)
    assert (status, body) == (usual[0], usual[2])
    assert dict(told) == dict(usual[1]) | {"Cache-Control": f"public, max-age={max_age}"}


@pytest.mark.parametrize(
    ("accept", "forms"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*;q=0.2", JSON),
        (BROWSER, JSON),
        ("text/csv", ("", "csv")),
        ("text/*", ("", "csv")),
        ("application/json;q=0.1, text/csv", CSV),
        ("*/*;q=0.1, text/csv;q=0.9", CSV),
        ("text/html", NONE),
        ("application/json;q=0", NONE),
        ("?!", NONE),
        ("a/" + "x" * 1000, JSON),  # nobody means that; HTTP lets a server disregard it
    ],
)
def test_accept_counts_only_by_the_form_it_chooses(accept: str, forms: tuple[str, str]) -> None:
    assert accepted_formats(environ(ACCEPT=accept)) == forms
    assert key_of(environ(ACCEPT=accept, query="on=2025-01-01")) == (
        "",
        "/v1/tariffs",
        "on=2025-01-01",
        *forms,
    )


def test_with_a_format_in_the_address_accept_counts_nothing() -> None:
    keys = {
        key_of(environ(query=query, ACCEPT=accept))
        for query in ("format=csv&on=2025-01-01", "on=2025-01-01&format=csv")
        for accept in ("", "*/*", "text/csv", "text/html")
    }
    assert len(keys) == 1
    assert key_of(environ(query="offer=format=csv", ACCEPT="text/csv")) != key_of(
        environ(query="offer=format=csv")
    )


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("br, gzip;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip," + "x" * 1000, False),
    ],
)
def test_gzip_is_sent_to_whoever_takes_it(header: str, taken: bool) -> None:  # noqa: FBT001 - a case
    assert accepts_gzip(environ(ACCEPT_ENCODING=header)) is taken


@pytest.fixture
def app(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app that asks for the data's version once."""
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 3600.0)
    app = create_app(
        Settings(database_url=filled_url, workers=1, limit_bills="12000/minute"), clock=lambda: NOW
    )
    yield app
    close_app(app)


@pytest.fixture
def cache(app: Flask) -> ResponseCache:
    found = state_of(app).response_cache
    assert isinstance(found, ResponseCache)
    return found


def test_every_order_of_the_parameters_is_one_question_with_one_answer(
    app: Flask, cache: ResponseCache
) -> None:
    client = app.test_client()
    given = {"option": "BASE", "limit": "2", "on": "2025-09-01"}
    answers = [
        client.get(f"/v1/tariffs?{urlencode(order)}")
        for order in permutations(given.items())
        for _ in range(3)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert "next" in json.loads(answers[0].data)
    held = cache.statistics()
    assert (held["entries"], held["hits"]) == (1, len(answers) - 2)


def test_forms_and_addresses_are_not_mixed_up(app: Flask) -> None:
    client = app.test_client()
    for _ in range(4):
        for accept, wanted in (
            ("text/csv", "text/csv; charset=utf-8"),
            ("application/json", "application/json"),
            ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8"),
            ("image/png", None),
            ("text/html", None),
        ):
            answer = client.get("/v1/offers?supplier=EDF", headers={"Accept": accept})
            refused = "text/html; charset=utf-8" if accept == "text/html" else "application/problem+json"
            assert answer.content_type == (wanted or refused)
            assert answer.status_code == (200 if wanted else 406)
            other = client.get("/v1/offers?supplier=EDF&format=csv", headers={"Accept": accept})
            assert other.content_type == "text/csv; charset=utf-8"
            # There is no CSV of this one.
            alone = client.get("/v1/health/ingest", headers={"Accept": accept})
            assert alone.status_code == (200 if "json" in accept else 406)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/offers?supplier={n}", {}),
        ("/v1/offers?supplier={n}" + quote("é" * 90), {}),
        ("/v1/offers?supplier=x", {"Accept": "*/*,a/{n}" + "y" * 7900}),
        ("/v1/offers?supplier=x", {"Accept": "*/*,a/{n}"}),
        ("/v1/offers?supplier=x", {"Accept-Encoding": "gzip,a{n}" + "y" * 7900}),
        ("/v1/offers?supplier=x", {"Accept-Language": "fr,a{n}" + "y" * 7900}),
        ("/v1/offers?x{n}=1", {}),
        ("/v1/{n}", {}),
        ("/tariffs?x={n}", {"Accept-Language": "fr,a{n}" + "y" * 7900}),
        ("/?power_kva=6&kwh={n}", {}),
        ("/v1/bills?power_kva=6&kwh={n}", {}),
    ],
)
def test_questions_that_nobody_repeats_leave_nothing_in_the_cache(
    app: Flask, cache: ResponseCache, path: str, headers: Mapping[str, str]
) -> None:
    client = app.test_client()
    for number in range(1000, 1012):
        answer = client.get(
            path.format(n=number), headers={name: value.format(n=number) for name, value in headers.items()}
        )
        assert answer.status_code in {200, 400, 404}
    assert cache.statistics()["entries"] <= 1


def test_the_metrics_tell_what_the_cache_holds_and_did(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwatt.web.http.lifecycle._REPORT_EVERY_S", 0.0)
    registry = state_of(app).metrics.registry
    monkeypatch.setattr(response_cache, "MAX_ENTRIES", 3)

    def value(name: str, **labels: str) -> float:
        found = registry.get_sample_value(f"openwatt_response_cache_{name}", labels)
        assert found is not None
        return float(found)

    client = app.test_client()
    for power in (3, 6, 9, 12):
        for _ in range(3):
            client.get(f"/v1/tariffs?power_kva={power}")
    assert (value("lookups_total", result="hit"), value("lookups_total", result="miss")) == (4, 8)
    assert (value("entries"), value("evictions_total")) == (3, 1)
    assert 3 * 1000 < value("bytes") < MAX_BYTES


def test_a_footprint_counts_what_is_shared_once() -> None:
    one = "x" * 1000
    assert footprint((one, one)) < 1200
    assert footprint([("a", one)]) > 1000


class Days:
    """A service whose clock is set, and which responses its cache gave."""

    def __init__(self, app: Flask, now: list[dt.datetime]) -> None:
        self._client = app.test_client()
        self._cache = state_of(app).response_cache
        self._now = now

    def at(self, instant: dt.datetime, path: str) -> tuple[Any, str | None, bool]:
        """The JSON, the Cache-Control header, and whether it came out of the cache."""
        self._now[0] = instant
        self._cache.statistics()
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json, answer.headers.get("Cache-Control"), self._cache.statistics()["hits"] == 1

    def keep(self, instant: dt.datetime, path: str) -> Any:
        """Asks until the response is in the cache; its JSON."""
        for _ in range(2):
            self.at(instant, path)
        found, max_age, cached = self.at(instant, path)
        assert (max_age, cached) == ("public, max-age=60", True)
        return found


@pytest.fixture
def days(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Days]:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 3600.0)
    now = [NOW]
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: now[0])
    yield Days(app, now)
    close_app(app)


A_MOMENT = dt.timedelta(milliseconds=400)


@pytest.mark.parametrize(
    "path", ["/v1/suppliers", "/v1/offers?supplier=EDF", "/v1/tempo?from=2025-01-01&to=2025-02-01"]
)
def test_what_no_clock_changes_is_cached_until_other_data(days: Days, path: str) -> None:
    kept = days.keep(NOW, path)
    assert days.at(NOW + dt.timedelta(days=400), path) == (kept, "public, max-age=60", True)


@pytest.mark.parametrize(
    "path", ["/v1/tempo/today", "/v1/tempo", "/v1/guards/trve-diff", "/v1/tariffs?limit=1"]
)
@pytest.mark.parametrize(
    "midnight", [dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC), dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC)]
)
def test_what_is_said_of_today_is_cached_until_midnight_in_paris(
    days: Days, path: str, midnight: dt.datetime
) -> None:
    kept = days.keep(midnight - dt.timedelta(hours=3), path)
    assert days.at(midnight - dt.timedelta(minutes=30), path) == (kept, "public, max-age=60", True)
    assert days.at(midnight - dt.timedelta(seconds=31) + A_MOMENT, path) == (kept, "public, max-age=30", True)
    after, max_age, cached = days.at(midnight, path)
    assert (max_age, cached) == ("public, max-age=60", False)
    assert after != kept


@pytest.mark.parametrize(
    "path",
    ["/v1/tariffs?on=2027-01-31&supplier=EDF", "/v1/tariffs/history?supplier=EDF&until=2027-01-31"],
)
def test_a_price_is_cached_as_fresh_until_the_midnight_on_which_it_is_overtaken(
    days: Days, filled_url: str, path: str
) -> None:
    midnight = dt.datetime(2027, 1, 31, 23, tzinfo=dt.UTC)  # the accise is not known any more
    with psycopg.connect(filled_url, autocommit=True) as connection:
        for (reference,) in connection.execute("select reference from documents").fetchall():
            record_sighting(connection, reference, midnight - dt.timedelta(hours=12))

    def reasons(answer: Any) -> set[tuple[str, str | None]]:
        return {
            (item["data_status"], item["data_status_reason"])
            for item in answer["tariffs"]
            if item["applies_to"] is None
        }

    kept = days.keep(midnight - dt.timedelta(hours=3), path)
    assert reasons(kept) == {("fresh", None)}
    assert days.at(midnight - dt.timedelta(seconds=31) + A_MOMENT, path) == (kept, "public, max-age=30", True)
    after, _, cached = days.at(midnight, path)
    assert not cached
    assert reasons(after) == {("stale", "overtaken")}


@pytest.mark.parametrize(
    "path", ["/v1/tariffs?on=2026-11-22&supplier=EDF", "/v1/tariffs/history?supplier=EDF&until=2026-11-22"]
)
def test_freshness_is_cached_until_it_changes(days: Days, filled_url: str, path: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        for (reference,) in connection.execute("select reference from documents").fetchall():
            record_sighting(connection, reference, NOW)

    def statuses(page: Any) -> set[str]:
        return {item["data_status"] for item in page["tariffs"] if item["applies_to"] is None}

    kept = days.keep(NOW + dt.timedelta(hours=1), path)
    assert statuses(kept) == {"fresh"}
    week, fortnight = (NOW + dt.timedelta(days=number) for number in (7, 14))
    assert days.at(week - dt.timedelta(seconds=20) + A_MOMENT, path) == (kept, "public, max-age=19", True)
    assert days.at(week, path)[::2] == (kept, True)
    later, _, cached = days.at(week + dt.timedelta(microseconds=1), path)
    assert (statuses(later), cached) == ({"verifying"}, False)
    later = days.keep(week + dt.timedelta(days=1), path)
    assert days.at(fortnight - A_MOMENT, path) == (later, "public, max-age=0", True)
    assert statuses(days.at(fortnight, path)[0]) == {"stale"}


def test_what_was_known_at_an_instant_stays_so(days: Days) -> None:
    path = "/v1/tariffs?on=2026-11-22&known_at=2026-11-01T00:00:00Z"
    kept = days.keep(NOW, path)
    assert kept["tariffs"]
    assert days.at(NOW + dt.timedelta(days=100), path) == (kept, "public, max-age=60", True)
