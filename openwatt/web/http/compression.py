"""Compression with gzip: of what, and from which size on."""

import gzip
from typing import Final

#: Below, headers and the client's own work outweigh what is gained.
_FROM_BYTES: Final = 500
_COMPRESSIBLE: Final = {
    "application/json",
    "application/manifest+json",
    "application/problem+json",
    "application/xml",
    "image/svg+xml",
    "text/calendar",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
}


def is_compressible(mimetype: str | None) -> bool:
    """Whether bytes of a media type become fewer; those of pictures are compressed already."""
    return mimetype in _COMPRESSIBLE


def gzipped(body: bytes) -> bytes | None:
    """Bytes compressed, the same each time; None where they are too few to gain anything."""
    return gzip.compress(body, 6, mtime=0) if len(body) >= _FROM_BYTES else None
