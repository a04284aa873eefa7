"""The detection of media types by the bytes themselves, not by what the server declares."""

import html
import re
from typing import Literal

from openwatt.ingest.errors import UnreadableDocumentError

#: What a source's address is expected to give.
MediaKind = Literal["pdf", "csv", "json"]

MEDIA_TYPES: dict[MediaKind, str] = {"pdf": "application/pdf", "csv": "text/csv", "json": "application/json"}
_NAMES: dict[MediaKind, str] = {"pdf": "a PDF", "csv": "a CSV table", "json": "JSON"}

_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rb"^\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_XML = re.compile(rb"^\s*<(\?xml|[a-z])", re.IGNORECASE)
_ROW = re.compile(rb"[^\r\n]*[;,\t|][^\r\n]*[\r\n]")
#: First bytes → what they begin.
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"RIFF", "a picture or a sound"),
)


def media_type_of(content: bytes, expects: MediaKind) -> str:
    """Returns the media type of a document that is what its address is expected to give.

    Raises:
        UnreadableDocumentError: naming what it is instead, a page by its title.
    """
    if _is(content, expects):
        return MEDIA_TYPES[expects]
    raise UnreadableDocumentError(
        f"the address gives {describe(content)} where {_NAMES[expects]} is expected: "
        "look at it in a browser, then correct the source's address or read a file with --file"
    )


def looks_complete(content: bytes, kind: MediaKind) -> bool:
    """Whether a document ends as its kind does, for responses without a declared length."""
    end = content.rstrip(b"\0\t\r\n ")
    if kind == "pdf":
        return b"%%EOF" in end[-1024:]
    return end[-1:] in {b"}", b"]"} if kind == "json" else content.endswith((b"\n", b"\r"))


def describe(content: bytes) -> str:
    """Describes bytes in a few words."""
    if not content.strip():
        return "nothing (no bytes)"
    head = content[:65_536]
    if _HTML.search(head):
        title = page_title(head)
        return f"a web page titled « {title} »" if title else "a web page without a title"
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    for kind in ("pdf", "json", "csv"):
        if _is(content, kind):
            return _NAMES[kind]
    if _XML.search(head):
        return "XML"
    return "binary data" if b"\0" in head else "text"


def page_title(head: bytes) -> str:
    """The title of a web page on one line, cut to 120 signs; empty when it has none."""
    found = _TITLE.search(head.decode("utf-8", errors="replace"))
    if found is None:
        return ""
    printable = "".join(sign if sign.isprintable() else " " for sign in html.unescape(found[1]))
    return " ".join(printable.split())[:120]


def _is(content: bytes, kind: MediaKind) -> bool:
    head = content[:65_536].removeprefix(b"\xef\xbb\xbf")
    if kind == "pdf":
        # As pdfium looks for it: some makers write a few bytes before it.
        return b"%PDF-" in content[:1024] and not _HTML.search(head)
    if b"\0" in head or _is(content, "pdf"):
        return False
    if kind == "json":
        return head.lstrip()[:1] in {b"{", b"["}
    return not _is(content, "json") and not _XML.search(head) and _ROW.match(head.lstrip()) is not None
