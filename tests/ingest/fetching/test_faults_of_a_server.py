import datetime as dt
import time
import zlib

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.ingest.declarations import load_sources
from openwatt.ingest.errors import UnreachableError, UnreadableDocumentError
from openwatt.ingest.fetching.client import FetchedDocument, Fetcher, FetchLimits
from openwatt.ingest.sandbox import DocumentSandbox, ReadingLimits
from tests.ingest.drawn_sheets import merged_price_cells
from tests.ingest.fault_server import NO_TLS, Answer, Request, Turns, running
from tests.ingest.hostile_documents import bomb, encrypted, ten_thousand_pages

SHEET = merged_price_cells().pdf
GIGABYTE = 1_000_000_000


def drip(request: Request, _: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(SHEET)))
    request.end_headers()
    for byte in SHEET:
        if request.server.stopping.wait(0.2):
            break
        request.wfile.write(bytes([byte]))


def close_half_way(request: Request, _: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(SHEET)))
    request.end_headers()
    request.wfile.write(SHEET[: len(SHEET) // 2])


def send_a_gigabyte(request: Request, _: int) -> None:
    request.send_response(200)
    request.end_headers()
    for _part in range(GIGABYTE // 1_000_000):
        request.wfile.write(b"%PDF-" + b" " * 999_995)


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(SHEET + b" " * 50_000_000), packer.flush()])


def gives(document: bytes, **headers: str) -> Answer:
    return lambda request, _: request.reply(200, document, **headers)


#: What a server does → how it ends, and the words of its reason.
FAULTS: dict[str, tuple[Answer, str, str]] = {
    "429 with Retry-After of an hour": (
        lambda request, _: request.reply(429, Retry_After="3600"),
        "unreachable",
        "asks to wait 3600 s",
    ),
    "500 for ever": (lambda request, _: request.reply(500), "unreachable", "requested 3 times"),
    "one byte at a time": (drip, "unreachable", "too slow"),
    "closes half-way": (close_half_way, "unreachable", "without sending complete message body"),
    "redirects in a circle": (
        lambda request, _: request.reply(302, Location=request.path),
        "unreachable",
        "more than 5 redirects",
    ),
    "redirects inside": (
        lambda request, _: request.reply(302, Location="http://169.254.169.254/"),
        "unreachable",
        "not a public address",
    ),
    "a gigabyte": (send_a_gigabyte, "unreadable", "more than 2000000 bytes"),
    "a gzip bomb": (gives(gzip_bomb(), Content_Encoding="gzip"), "unreadable", "more than 2000000 bytes"),
    "a page": (gives(b"<!doctype html><title>Oups</title>"), "unreadable", "a web page titled « Oups »"),
    "an encrypted PDF": (gives(encrypted()), "unreadable", "locked by a password"),
    "a PDF bomb": (gives(bomb(megabytes=300)), "unreadable", "more than 150 MB"),
    "10,000 pages": (gives(ten_thousand_pages()), "unreadable", "10000 pages, the limit is 150"),
    "500 twice, then a sheet": (
        lambda request, number: request.reply(500 if number < 3 else 200, SHEET),
        "published",
        "",
    ),
    "429 with Retry-After of a second, then a sheet": (
        lambda request, number: request.reply(429 if number == 1 else 200, SHEET, Retry_After="1"),
        "published",
        "",
    ),
}


@pytest.fixture(scope="module")
def endings() -> dict[str, tuple[str, str]]:
    """How one fetcher and one inspector end with every fault, each followed by a good sheet."""
    limits = FetchLimits(bytes=2_000_000, request_seconds=2.0, attempts=3, first_wait_seconds=0.01)
    sources, references = load_sources(), shipped_references()
    found = {}
    with (
        running() as server,
        Fetcher("test", Turns(), limits, tls=NO_TLS, loopback=True) as fetcher,
        DocumentSandbox(ReadingLimits(memory_bytes=150_000_000)) as inspector,
    ):

        def ending(address: str) -> tuple[str, str]:
            try:
                document = fetcher.fetch(address, expects="pdf")
            except UnreachableError as error:
                return "unreachable", str(error)
            except UnreadableDocumentError as error:
                return "unreadable", str(error)
            assert isinstance(document, FetchedDocument)
            inspection = inspector.inspect_document(
                document.content, sources, references, on=dt.date(2026, 11, 22)
            )
            return inspection.outcome, str(inspection.reason or "")

        server.answers["/good"] = gives(SHEET)
        start = time.monotonic()
        for number, (name, (answer, _, _)) in enumerate(FAULTS.items()):
            server.answers[f"/{number}"] = answer
            found[name] = ending(server.address(f"/{number}"))
            assert ending(server.address("/good")) == ("published", ""), f"after {name}"
        assert time.monotonic() - start < 90
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_its_outcome_and_the_next_source_is_read(
    endings: dict[str, tuple[str, str]], fault: str
) -> None:
    _, outcome, reason = FAULTS[fault]
    assert endings[fault][0] == outcome
    assert reason in endings[fault][1]
