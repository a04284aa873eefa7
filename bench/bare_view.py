"""The least that Flask can do, one view that returns given bytes: what `requests.py` compares with."""

import os
from pathlib import Path

from flask import Flask, Response


def bare_app(body: bytes, encoding: str | None = None) -> Flask:
    """An app whose /v1/tariffs answers these bytes and does nothing else."""
    app = Flask("bare")

    @app.get("/v1/tariffs")
    def tariffs() -> Response:
        response = Response(body, content_type="application/json")
        if encoding:
            response.headers["Content-Encoding"] = encoding
        return response

    return app


if "BARE_BODY" in os.environ:  # under Gunicorn
    app = bare_app(Path(os.environ["BARE_BODY"]).read_bytes(), os.environ.get("BARE_ENCODING"))
