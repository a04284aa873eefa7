"""The view decorator of files that are sent from a disk: whole, in part, or not again; memory stays flat."""

import functools
import io
from collections.abc import Callable
from typing import IO, cast

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed
from werkzeug.wsgi import wrap_file

from openwatt.open_data.stored_package import PackageFile
from openwatt.web.http.content_negotiation import accepts_gzip
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.params import read_query
from openwatt.web.http.response_cache import CACHE_CONTROL


class _PartOfFile(io.RawIOBase):
    """The next bytes of a file, and no more: what follows them belongs to no one's range."""

    def __init__(self, file: io.FileIO, length: int) -> None:
        super().__init__()
        self._file = file
        self._left = length

    def fileno(self) -> int:
        """The file itself: Gunicorn sends from its position on, as much as Content-Length says."""
        return self._file.fileno()

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """For servers that cannot send a file."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Closes the file too."""
        self._file.close()
        super().close()


def file_view(media_type: str) -> Callable[[Callable[[], PackageFile]], Callable[[], Response]]:
    """Makes a view of a function that finds a file of a media type."""

    def decorate(find: Callable[[], PackageFile]) -> Callable[[], Response]:
        @functools.wraps(find)
        def view() -> Response:
            read_query(request.query_string, ())
            return _file_response(find())

        return OperationSpec((), None, problems=(412, 416), file=media_type).attach(view)

    return decorate


def _file_response(found: PackageFile) -> Response:
    """A file, compressed where the client accepts it and asks for no range of it.

    Raises:
        PreconditionFailed: the client has another version, and wants none but that.
        RequestedRangeNotSatisfiable: no byte of the wanted range exists.
    """
    in_part = "Range" in request.headers
    coded = None if in_part or not accepts_gzip(request.environ) else found.compressed
    file = coded or found.plain
    response = Response(content_type=found.media_type, direct_passthrough=True)
    response.headers.extend([CACHE_CONTROL, ("Vary", "Accept-Encoding")])
    response.headers["Content-Disposition"] = f'attachment; filename="{found.name}"'
    if coded:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(file.digest[:32] + ("-gzip" if coded else ""))
    response.content_length = file.size
    response.make_conditional(request.environ, accept_ranges=True, complete_length=file.size)
    if response.status_code == 412:
        raise PreconditionFailed
    if response.status_code != 304 and request.method != "HEAD":
        stream = file.open()
        stream.seek(response.content_range.start or 0)
        part = cast("IO[bytes]", _PartOfFile(stream, response.content_length))
        response.response = wrap_file(request.environ, part)
    return response
