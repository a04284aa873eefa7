import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.fetching.media import MediaKind, describe, looks_complete, media_type_of, page_title
from tests.shared_data import SHARED, needs_shared_data

PDF = b"%PDF-1.7\n..."
CSV = b"DATE_DEBUT;P_SOUSCRITE\r\n01/08/2025;6\r\n"
JSON = b' {"values": {}}'


@pytest.mark.parametrize(
    ("content", "kind", "media_type"),
    [
        (PDF, "pdf", "application/pdf"),
        (b"\xef\xbb\xbf\r\n" + PDF, "pdf", "application/pdf"),
        (CSV, "csv", "text/csv"),
        (b"\xef\xbb\xbf" + CSV, "csv", "text/csv"),
        (CSV.decode().replace("DATE", "DATÉ").encode("cp1252"), "csv", "text/csv"),
        (JSON, "json", "application/json"),
        (b"\xef\xbb\xbf[1]", "json", "application/json"),
    ],
)
def test_a_document_is_known_by_its_bytes(content: bytes, kind: MediaKind, media_type: str) -> None:
    assert media_type_of(content, kind) == media_type


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nothing"),
        (b"  \n", "nothing"),
        (b"<html><title>Maintenance &amp; co</title>", "a web page titled « Maintenance & co »"),
        (b"\n<!-- made by --><!DOCTYPE HTML><body>", "a web page without a title"),
        (b"<!doctype html><title>%PDF-1.7</title>", "a web page titled « %PDF-1.7 »"),
        (b"<?xml version='1.0'?><a;b/>\n", "XML"),
        (b"PK\x03\x04...", "a ZIP archive or an office document"),
        (b"\xd0\xcf\x11\xe0", "an old office document"),
        (b"\x89PNG\r\n", "a picture (PNG)"),
        (b"\xff\xd8\xff\xe0", "a picture (JPEG)"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b"not found", "text"),
        (b"a\0b", "binary data"),
    ],
)
@pytest.mark.parametrize("expects", ["pdf", "csv", "json"])
def test_something_else_is_unreadable_and_named(content: bytes, said: str, expects: MediaKind) -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        media_type_of(content, expects)
    assert f"gives {said}" in str(caught.value)
    assert "correct the source's address" in str(caught.value)


@pytest.mark.parametrize(("content", "kind"), [(PDF, "pdf"), (CSV, "csv"), (JSON, "json")])
def test_one_kind_is_no_other(content: bytes, kind: MediaKind) -> None:
    others: list[MediaKind] = [other for other in ("pdf", "csv", "json") if other != kind]
    for other in others:
        with pytest.raises(UnreadableDocumentError):
            media_type_of(content, other)


@given(st.binary(max_size=300))
def test_anything_can_be_described(content: bytes) -> None:
    said = describe(content)
    assert said
    assert said.isprintable()


def test_a_title_is_one_short_line() -> None:
    assert page_title(b"<title>\x1b[31m a\n\tb" + b"c" * 500 + b"</title>")[:6] == "[31m a"
    assert len(page_title(b"<title>" + b"c" * 500 + b"</title>")) == 120


def test_the_beginning_of_a_document_is_not_whole() -> None:
    wholes: list[tuple[bytes, MediaKind]] = [
        (PDF + b"\n%%EOF\r\n", "pdf"),
        (CSV, "csv"),
        (JSON + b"\n", "json"),
    ]
    for content, kind in wholes:
        assert looks_complete(content, kind)
        assert not looks_complete(content[:-6], kind)


@needs_shared_data
def test_every_document_of_the_corpus_is_what_it_is() -> None:
    kinds: list[tuple[str, MediaKind]] = [
        ("grids/pdf/*.pdf", "pdf"),
        ("trve/cre_open_data/*.csv", "csv"),
        ("tempo/rte/*.json", "json"),
    ]
    for pattern, kind in kinds:
        paths = list(SHARED.glob(pattern))
        assert paths
        for path in paths:
            assert media_type_of(path.read_bytes(), kind)
            assert looks_complete(path.read_bytes(), kind)
