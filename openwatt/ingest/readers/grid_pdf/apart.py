"""Words of a stranger's PDF, taken in a process of its own that time and memory limits can end."""

import resource
import subprocess
import sys
from pathlib import Path

import msgspec

import openwatt
from openwatt.ingest.readers.grid_pdf.words import MAX_BYTES, Page, read_pages
from openwatt.ingest.readers.unreadable import UnreadableDocumentError

#: What a sheet may cost; the longest real one (49 pages) needs 1 s and 150 MB.
MAX_SECONDS = 15
MAX_MEMORY_BYTES = 1_000_000_000

_REFUSED = 3
_WORDS = msgspec.msgpack.Decoder(tuple[Page, ...])


def read_pages_apart(document: bytes) -> tuple[Page, ...]:
    """`read_pages` behind limits: a few kilobytes can unpack to gigabytes, and pdfium is not ours.

    Raises:
        UnreadableDocumentError: as `read_pages`, and when a limit ended the process.
    """
    if len(document) > MAX_BYTES:
        raise UnreadableDocumentError(f"{len(document)} bytes, the limit is {MAX_BYTES}")
    try:
        done = subprocess.run(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", __spec__.name],
            input=document,
            capture_output=True,
            timeout=MAX_SECONDS + 5,
            cwd=Path(openwatt.__file__).parents[1],
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableDocumentError(f"reading it takes longer than {MAX_SECONDS} s") from error
    if done.returncode == _REFUSED:
        raise UnreadableDocumentError(done.stderr.decode(errors="replace").strip())
    if done.returncode != 0:
        seconds, most = _bounds()
        raise UnreadableDocumentError(f"reading it needs more than {seconds} s or {most // 1_000_000} MB")
    return _WORDS.decode(done.stdout)


def _bounds() -> tuple[int, int]:
    """Seconds of processor time and bytes of memory: ours, or those of who started us where they are less."""

    def less(ours: int, kind: int) -> int:
        inherited = resource.getrlimit(kind)[1]
        return ours if inherited == resource.RLIM_INFINITY else min(ours, inherited)

    return less(MAX_SECONDS, resource.RLIMIT_CPU), less(MAX_MEMORY_BYTES, resource.RLIMIT_AS)


def main() -> int:
    """The process apart: a PDF on its input, words on its output, a reason on its error output."""
    seconds, most = _bounds()
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = read_pages(sys.stdin.buffer.read())
    except UnreadableDocumentError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    sys.stdout.buffer.write(msgspec.msgpack.encode(pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
