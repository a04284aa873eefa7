"""Static files, held in memory under names with a hash of their content, which caches may keep for ever."""

import hashlib
import mimetypes
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from openwatt.web.http.compression import gzipped, is_compressible
from openwatt.web.http.content_negotiation import accepts_gzip
from openwatt.web.http.etags import GZIP_SUFFIX

PREFIX: Final = "/static/"
_EXTENSION: Final = "openwatt.static"
_DIGEST_LENGTH: Final = 16
#: As in `site.0123456789abcdef.css`.
_HASHED: Final = re.compile(r"(.+)\.([0-9a-f]{16})(\.\w+)")
#: A year: what is at an address with a hash never changes (RFC 8246).
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class StaticFile:
    """The bytes of a file, plain and compressed, and what goes with them."""

    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self.digest = hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]
        self.mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
        stem, dot, suffix = name.rpartition(".")
        self.hashed_name = f"{stem}.{self.digest}.{suffix}" if dot else name

    @classmethod
    def read(cls, folder: str, name: str) -> Self | None:
        """A file of a folder; None where there is none of this name."""
        path = safe_join(folder, name)
        try:
            return None if path is None else cls(name, Path(path).read_bytes())
        except (OSError, ValueError):  # no file, or a name that none can have
            return None

    @cached_property
    def compressed(self) -> bytes | None:
        """Its bytes with gzip; None where that gains nothing."""
        return gzipped(self.body) if is_compressible(self.mimetype) else None

    def response(self, *, immutable: bool) -> Response:
        """The answer to the present request: a part, or 304, where it wants that."""
        body, etag = self.body, self.digest
        headers = {"Cache-Control": _FOR_EVER if immutable else "no-cache"}
        if self.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if accepts_gzip(request.environ):
                body, etag = self.compressed, etag + GZIP_SUFFIX
                headers["Content-Encoding"] = "gzip"
        response = Response(body, headers=headers, mimetype=self.mimetype)
        response.set_etag(etag)
        response.make_conditional(request, accept_ranges=True, complete_length=len(body))
        return response


class StaticFiles:
    """The static files of an app as they were when it was made.

    A page names them by `address_of`, with their hash. A worker may be requested to give a file of
    another version: of an older page that somebody has open, or, while an upgrade is under way, of
    a page of a newer worker. The newer file is then read from the folder, where its hash tells that
    it is the right one; for an older one there is what this version has, which no cache may keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        found = {name: StaticFile.read(self._folder, name) for name in names}
        self._files = {name: file for name, file in found.items() if file is not None}
        self._newer: dict[str, StaticFile] = {}

    @classmethod
    def of(cls, app: Flask) -> Self:
        """The static files of an app."""
        return app.extensions[_EXTENSION]  # type: ignore[no-any-return]  # flask types it as Any

    def init_app(self, app: Flask) -> None:
        """Makes these the static files of an app, in place of those of Flask's own view."""
        app.extensions[_EXTENSION] = self
        app.add_url_rule(f"{PREFIX}<path:filename>", endpoint="static", view_func=self.serve)
        app.url_defaults(self._name_with_hash)

    def compress(self) -> None:
        """Compresses all that will be requested compressed."""
        for file in self._files.values():
            _ = file.compressed

    def hashed(self, name: str) -> str:
        """The name of a file with its hash; the name itself where there is no such file."""
        return self._files[name].hashed_name if name in self._files else name

    def _name_with_hash(self, endpoint: str, values: dict[str, Any]) -> None:
        """For `url_for`."""
        if endpoint == "static" and "filename" in values:
            values["filename"] = self.hashed(values["filename"])

    def serve(self, filename: str) -> Response:
        """The answer for a file, under its name with a hash or without; NotFound where there is none."""
        if match := _HASHED.fullmatch(filename):
            name, digest = match[1] + match[3], match[2]
            if (file := self._with_digest(name, digest)) is not None:
                return file.response(immutable=True)
            filename = name if name in self._files else filename
        if filename not in self._files:
            raise NotFound
        return self._files[filename].response(immutable=False)

    def _with_digest(self, name: str, digest: str) -> StaticFile | None:
        for files in (self._files, self._newer):
            if name in files and files[name].digest == digest:
                return files[name]
        newer = StaticFile.read(self._folder, name)
        if newer is None or newer.digest != digest:
            return None
        self._newer[name] = newer
        return newer


def with_hash(path: str) -> str:
    """The path of a static file of this app with its hash; any other path as it is."""
    if not path.startswith(PREFIX) or _EXTENSION not in current_app.extensions:
        return path
    return PREFIX + StaticFiles.of(current_app).hashed(path.removeprefix(PREFIX))
