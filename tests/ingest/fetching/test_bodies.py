import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from openwatt.ingest.errors import UnreachableError, UnreadableDocumentError
from openwatt.ingest.fetching.client import FetchedDocument, Fetcher, FetchLimits
from openwatt.ingest.fetching.media import MediaKind
from tests.ingest.fault_server import NO_TLS, PDF, Answer, FaultServer, Request, Turns, running

LIMITS = FetchLimits(
    bytes=100_000, request_seconds=0.6, attempts=2, first_wait_seconds=0.01, give_up_seconds=20.0
)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with running() as server:
        yield server


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher("test", Turns(), LIMITS, tls=NO_TLS, loopback=True) as fetcher:
        yield fetcher


def drips(of: str) -> Answer:
    """One byte a fifth of a second: each comes long before a read would be given up."""

    def answer(request: Request, _: int) -> None:
        if of == "body":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
        for byte in b"HTTP/1.0 200 OK" + b"x" * 900:
            if request.server.stopping.wait(0.2):
                break
            request.wfile.write(bytes([byte]))

    return answer


@pytest.mark.parametrize("of", ["body", "head"])
def test_a_server_that_drips_is_left_when_its_time_is_over(
    server: FaultServer, fetcher: Fetcher, of: str
) -> None:
    server.answers["/sheet.pdf"] = drips(of)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=r"too slow: no whole answer within 0.6 s; requested 2 times"):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert 1.2 <= time.monotonic() - start < 15


def test_a_server_that_says_nothing_is_left_when_its_time_is_over(
    server: FaultServer, fetcher: Fetcher
) -> None:
    def answer(request: Request, _: int) -> None:
        request.server.stopping.wait(30)

    server.answers["/sheet.pdf"] = answer
    with pytest.raises(UnreachableError, match="too slow"):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")


def cut(request: Request, framing: str, body: bytes) -> None:
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    if framing == "length":
        request.send_header("Content-Length", str(2 * len(body)))
    elif framing == "chunks":
        request.send_header("Transfer-Encoding", "chunked")
        body = b"%x\r\n%s\r\n" % (len(body), body)
    elif framing == "gzip":
        request.send_header("Content-Encoding", "gzip")
        body = gzip.compress(body, mtime=0)[:-5]
    else:
        body = body[:-8]
    request.end_headers()
    request.wfile.write(body)
    request.close_connection = True


@pytest.mark.parametrize("framing", ["length", "chunks", "gzip", "none"])
def test_half_a_body_is_a_fault_and_asked_again(server: FaultServer, fetcher: Fetcher, framing: str) -> None:
    def answer(request: Request, number: int) -> None:
        if number == 1:
            cut(request, framing, PDF)
        else:
            request.reply(200, PDF)

    server.answers["/sheet.pdf"] = answer
    found = fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert isinstance(found, FetchedDocument)
    assert (found.content, found.attempts) == (PDF, 2)
    server.answers["/always.pdf"] = lambda request, _: cut(request, framing, PDF)
    with pytest.raises(UnreachableError, match="requested 2 times"):
        fetcher.fetch(server.address("/always.pdf"), expects="pdf")


@pytest.mark.parametrize("length", ["1000000000", None])
def test_a_gigabyte_is_left_at_the_limit(server: FaultServer, length: str | None) -> None:
    sent = []

    def answer(request: Request, _: int) -> None:
        request.send_response(200)
        if length:
            request.send_header("Content-Length", length)
        request.end_headers()
        for _part in range(1000):
            request.wfile.write(PDF + b" " * 1_000_000)
            sent.append(1)

    server.answers["/sheet.pdf"] = answer
    limits = FetchLimits(bytes=100_000, request_seconds=30.0)
    with (
        Fetcher("test", Turns(), limits, tls=NO_TLS, loopback=True) as fetcher,
        pytest.raises(UnreadableDocumentError, match="100000"),
    ):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert len(server.asked) == 1, "a document that is too large is not asked again"
    assert len(sent) < 50


def test_a_gzip_bomb_is_left_at_the_limit_without_its_memory(server: FaultServer, fetcher: Fetcher) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([packer.compress(PDF + b"\0" * 60_000_000), packer.flush()])
    assert len(bomb) < LIMITS.bytes, "packed it is within the limit"
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableDocumentError, match="more than 100000 bytes"):
            fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("br", PDF, "encoded as 'br', which was not requested"),
        ("gzip, gzip", PDF, "which was not requested"),
        ("gzip", PDF, "says that it is gzip, and is not"),
        (
            "gzip",
            gzip.compress(PDF, mtime=0) + gzip.compress(PDF, mtime=0),
            "goes on behind the end of its gzip",
        ),
        ("gzip", gzip.compress(b"", mtime=0) + b"\0" * 200_000, "200020 bytes, the limit is 100000"),
    ],
)
def test_an_encoding_that_cannot_be_undone_is_unreadable(
    server: FaultServer, fetcher: Fetcher, encoding: str, body: bytes, reason: str
) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, body, Content_Encoding=encoding)
    with pytest.raises(UnreadableDocumentError, match=reason):
        fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")


def test_a_whole_document_needs_no_length(server: FaultServer, fetcher: Fetcher) -> None:
    def answer(request: Request, _: int) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(PDF)

    server.answers["/sheet.pdf"] = answer
    found = fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert isinstance(found, FetchedDocument)
    assert (found.content, found.attempts) == (PDF, 1)


def test_gzip_is_undone(server: FaultServer, fetcher: Fetcher) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(
        200, gzip.compress(PDF, mtime=0), Content_Encoding="gzip"
    )
    found = fetcher.fetch(server.address("/sheet.pdf"), expects="pdf")
    assert isinstance(found, FetchedDocument)
    assert found.content == PDF


PAGE = b"<!doctype html>\n<html><head><title>Page &agrave;\n entretenir</title></head></html>"


@pytest.mark.parametrize("expects", ["pdf", "csv", "json"])
def test_a_page_in_place_of_a_document_is_unreadable_and_named(
    server: FaultServer, fetcher: Fetcher, expects: MediaKind
) -> None:
    server.answers["/sheet"] = lambda request, _: request.reply(200, PAGE, Content_Type="application/pdf")
    with pytest.raises(UnreadableDocumentError, match="a web page titled « Page à entretenir »"):
        fetcher.fetch(server.address("/sheet"), expects=expects)
    assert len(server.asked) == 1
