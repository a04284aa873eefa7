import datetime as dt
import hashlib
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from openwatt import __version__
from openwatt.ingest.errors import UnreachableError
from openwatt.ingest.fetching.client import FetchedDocument, Fetcher, FetchLimits, NotModified, user_agent
from tests.ingest.fault_server import NO_TLS, PDF, FaultServer, Request, Turns, running

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)

QUICK = FetchLimits(
    bytes=100_000,
    request_seconds=5.0,
    attempts=4,
    give_up_seconds=20.0,
    first_wait_seconds=0.01,
    longest_wait_seconds=0.02,
    longest_retry_after_seconds=10.0,
)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with running() as server:
        yield server


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def fetcher(turns: Turns) -> Iterator[Fetcher]:
    with Fetcher(
        user_agent("https://watt.example/who"), turns, QUICK, clock=lambda: NOW, tls=NO_TLS, loopback=True
    ) as made:
        yield made


def document(found: FetchedDocument | NotModified) -> FetchedDocument:
    assert isinstance(found, FetchedDocument)
    return found


def test_a_document_comes_with_what_the_next_look_needs(
    server: FaultServer, fetcher: Fetcher, turns: Turns
) -> None:
    modified = "Sat, 21 Nov 2026 08:00:00 GMT"
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(
        200, PDF, ETag='"v1"', Last_Modified=modified, Content_Type="text/html"
    )
    found = document(fetcher.fetch(server.address("/sheet.pdf"), expects="pdf"))
    assert (found.content, found.sha256) == (PDF, hashlib.sha256(PDF).hexdigest())
    assert found.media_type == "application/pdf"
    assert (found.etag, found.last_modified) == ('"v1"', modified)
    assert (found.address, found.attempts) == (server.address("/sheet.pdf"), 1)
    assert 0 < found.seconds < 20
    assert turns.hosts == ["127.0.0.1"]


def test_a_request_says_who_asks_and_where_they_are_found(server: FaultServer, fetcher: Fetcher) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, PDF)
    fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert server.asked[0].headers["User-Agent"] == f"OpenWatt/{__version__} (+https://watt.example/who)"
    assert user_agent(None) == f"OpenWatt/{__version__}"


def test_what_has_not_changed_is_not_sent_again(server: FaultServer, fetcher: Fetcher) -> None:
    def answer(request: Request, _: int) -> None:
        asked = request.headers
        same = asked["If-None-Match"] == '"v1"' and asked["If-Modified-Since"] == "a day"
        request.reply(304 if same else 200, b"" if same else PDF, ETag='"v1"')

    server.answers["/sheet.pdf"] = answer
    address = server.address("/sheet.pdf")
    found = fetcher.fetch(address, expects="pdf", etag='"v1"', last_modified="a day")
    assert isinstance(found, NotModified)
    assert (found.etag, found.last_modified, found.attempts) == ('"v1"', "a day", 1)
    assert document(fetcher.fetch(address, expects="pdf", etag='"v0"')).content == PDF


def test_a_304_to_a_question_without_condition_is_no_document(server: FaultServer, fetcher: Fetcher) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(304)
    with pytest.raises(UnreachableError, match="304"):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")


@pytest.mark.parametrize("etag", ["é", "x" * 501, ""])
def test_a_validator_that_cannot_be_sent_back_is_not_kept(
    server: FaultServer, fetcher: Fetcher, etag: str
) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, PDF, ETag=etag)
    assert document(fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")).etag is None


def test_two_faults_and_a_document_are_a_document(
    server: FaultServer, fetcher: Fetcher, turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openwatt.ingest.fetching.client")
    server.answers["/sheet.pdf"] = lambda request, n: request.reply(500 if n < 3 else 200, PDF)
    found = document(fetcher.fetch(server.address("/sheet.pdf"), expects="pdf"))
    assert (found.content, found.attempts) == (PDF, 3)
    assert turns.hosts == ["127.0.0.1"] * 3, "a retry waits for its turn like any request"
    reasons = [vars(record)["reason"] for record in caplog.records]
    assert reasons == ["127.0.0.1 answers 500 Internal Server Error"] * 2


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_what_may_pass_is_asked_again_until_attempts_are_used_up(
    server: FaultServer, fetcher: Fetcher, status: int
) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(status)
    with pytest.raises(
        UnreachableError, match=f"answers {status}.*; requested 4 times, the next run tries again"
    ):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (404, "the document has moved: give the source its new address"),
        (410, "the document is gone"),
        (403, "fetch it in a browser and read it with --file"),
        (401, "fetch it in a browser"),
        (206, "look at the address in a browser"),
        (204, "look at the address"),
        (400, "look at the address"),
    ],
)
def test_what_will_not_pass_is_asked_once(
    server: FaultServer, fetcher: Fetcher, status: int, remedy: str
) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(status)
    with pytest.raises(UnreachableError, match=f"answers {status}.*{remedy}"):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "asked", ["1", (NOW + dt.timedelta(seconds=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")]
)
def test_a_server_that_asks_to_wait_is_not_asked_earlier(
    server: FaultServer, fetcher: Fetcher, asked: str
) -> None:
    times = []

    def answer(request: Request, number: int) -> None:
        times.append(time.monotonic())
        request.reply(429 if number == 1 else 200, PDF, Retry_After=asked)

    server.answers["/sheet.pdf"] = answer
    assert document(fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")).attempts == 2
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_for_long_is_left_alone(
    server: FaultServer, fetcher: Fetcher, status: int
) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(status, Retry_After="3600")
    start = time.monotonic()
    with pytest.raises(
        UnreachableError, match="asks to wait 3600 s; requested once, the next run tries again"
    ):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert time.monotonic() - start < 10
    assert len(server.asked) == 1


@pytest.mark.parametrize(("wait_seconds", "most_asked"), [(0.05, 200), (100_000.0, 2)])
def test_attempts_end_when_their_time_is_over(
    server: FaultServer, turns: Turns, wait_seconds: float, most_asked: int
) -> None:
    limits = FetchLimits(
        attempts=10_000,
        give_up_seconds=0.5,
        first_wait_seconds=wait_seconds,
        longest_wait_seconds=wait_seconds,
    )
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(500)
    start = time.monotonic()
    with (
        Fetcher("test", turns, limits, tls=NO_TLS, loopback=True) as fetcher,
        pytest.raises(
            UnreachableError, match=r"answers 500 .*; requested \d+ times, the next run tries again"
        ),
    ):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert time.monotonic() - start < 10
    assert 2 <= len(server.asked) <= most_asked


def test_a_walk_through_slow_redirects_ends_with_its_time(server: FaultServer, turns: Turns) -> None:
    def answer(request: Request, _: int) -> None:
        request.server.stopping.wait(0.3)
        request.reply(302, Location="/a")

    server.answers["/a"] = answer
    limits = FetchLimits(redirects=1000, give_up_seconds=0.2, request_seconds=0.6)
    with (
        Fetcher("test", turns, limits, tls=NO_TLS, loopback=True) as fetcher,
        pytest.raises(UnreachableError, match="too slow"),
    ):
        fetcher.fetch(server.address("/a"), expects="pdf")
    assert 2 <= len(server.asked) <= 4


def test_a_redirect_is_followed_and_waits_for_its_own_turn(
    server: FaultServer, fetcher: Fetcher, turns: Turns
) -> None:
    server.answers["/old"] = lambda request, _: request.reply(
        302, Location=server.address("/new", host="localhost")
    )
    server.answers["/new"] = lambda request, _: request.reply(301, Location="newest.pdf")
    server.answers["/newest.pdf"] = lambda request, _: request.reply(200, PDF)
    found = document(fetcher.fetch(server.address("/old"), expects="pdf"))
    assert found.address == server.address("/newest.pdf", host="localhost")
    assert turns.hosts == ["127.0.0.1", "localhost", "localhost"]


def test_redirects_in_a_circle_end(server: FaultServer, fetcher: Fetcher) -> None:
    server.answers["/a"] = lambda request, _: request.reply(302, Location="/b")
    server.answers["/b"] = lambda request, _: request.reply(302, Location="/a")
    with pytest.raises(UnreachableError, match="more than 5 redirects"):
        fetcher.fetch(server.address("/a"), expects="pdf")
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://10.0.0.1/sheet.pdf", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("http://[::ffff:192.168.1.1]/", "not a public address"),
        ("https://intranet/sheet.pdf", "inner network"),
        ("https://user:secret@example.org/", "holds a user or a password"),
        ("file:///etc/passwd", "not an address that begins with https"),
        ("http://exa mple.org/", "neither a name nor an address"),
        (None, "without saying where to go"),
    ],
)
def test_a_redirect_leads_nowhere_that_is_refused(
    server: FaultServer, fetcher: Fetcher, turns: Turns, target: str | None, reason: str
) -> None:
    headers: dict[str, Any] = {"Location": target} if target else {}
    server.answers["/a"] = lambda request, _: request.reply(302, **headers)
    with pytest.raises(UnreachableError, match=reason):
        fetcher.fetch(server.address("/a"), expects="pdf")
    assert turns.hosts == ["127.0.0.1"], "what is refused is not even waited for"


def test_a_server_that_is_not_there_is_unreachable(fetcher: Fetcher) -> None:
    with running() as gone:
        address = gone.address("/sheet.pdf")
    with pytest.raises(UnreachableError, match="cannot be read: Connection refused; requested 4 times"):
        fetcher.fetch(address, expects="pdf")


def test_answers_do_not_mix(server: FaultServer, fetcher: Fetcher) -> None:
    paths = [f"/{i}.pdf" for i in range(5)]
    for path in paths:
        server.answers[path] = lambda request, _: request.reply(200, PDF + request.path.encode())
    for path in paths:
        found = document(fetcher.fetch(server.address(path), expects="pdf"))
        assert found.content == PDF + path.encode()
