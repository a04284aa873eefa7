"""A local HTTP server that answers as Elasticsearch and Kibana do, over the model in elastic_index.py.

Neither runs here. It knows the few addresses that our files and commands use and answers 404 to the rest.
"""

import base64
import http.server
import json
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.ops.elastic_index import Index, RefusedError, Template

_KIBANA_TYPES: Final = {"index-pattern": 8, "search": 10, "dashboard": 10}


@dataclass
class ElasticServer:
    """Elasticsearch and Kibana on one port. What is put stays until the server is closed."""

    index: Index = field(default_factory=Index)
    #: `name:password` without which nobody is answered; empty, everybody is.
    credentials: str = ""
    #: How many more requests for its health each answers that it is not ready yet.
    starting: dict[str, int] = field(default_factory=dict)
    #: Paths that answer with this status and words.
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    policies: dict[str, Any] = field(default_factory=dict)
    secured: dict[str, Any] = field(default_factory=dict)
    objects: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, said = outer.answer(self.command, self.path, dict(self.headers.items()), body)
                told = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def do_PUT(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Status and body of one answer."""
        path = urlsplit(target).path
        self.asked.append(f"{method} {path}")
        if path in self.broken:
            status, words = self.broken[path]
            return status, {"error": {"reason": words}, "status": status}
        token = base64.b64encode(self.credentials.encode()).decode()
        if self.credentials and headers.get("Authorization") != f"Basic {token}":
            return 401, {"error": {"type": "security_exception"}, "status": 401}
        if self.starting.get(path, 0) > 0:
            self.starting[path] -= 1
            return 503, {"status": "red"}
        try:
            return self._known(method, path, headers, body)
        except RefusedError as error:
            return 400, {"error": {"reason": str(error)}, "status": 400}

    def _known(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        match method, path.strip("/").split("/"):
            case "GET", ["_cluster", "health"]:
                return 200, {"status": "yellow"}
            case "GET", ["api", "status"]:
                return 200, {"status": {"overall": {"level": "available"}}}
            case "POST", ["api", "saved_objects", "_import"]:
                return self._imported(headers, body)
            case "POST", [pattern, "_search"]:
                return 200, self._searched(pattern, json.loads(body))
        return self._put(method, path, body)

    def _put(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        match method, path.strip("/").split("/"):
            case "PUT", ["_ilm", "policy", name]:
                self.policies[name] = json.loads(body)
            case "PUT", ["_index_template", name]:
                self.index.templates[name] = Template.read(json.loads(body))
            case ("PUT", ["_security", _, _]) | ("POST", ["_security", "user", _, "_password"]):
                self.secured[path] = json.loads(body)
            case _:
                return 404, {"error": f"no handler for {method} {path}"}
        return 200, {"acknowledged": True}

    def _searched(self, pattern: str, wanted: dict[str, Any]) -> dict[str, Any]:
        found = self.index.found(pattern, wanted["query"])
        hits = [{"_index": index, "_id": name, "_source": source} for index, name, source in found]
        return {"hits": {"total": {"value": len(hits)}, "hits": hits[: wanted.get("size", 10)]}}

    def _imported(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if "kbn-xsrf" not in headers:
            return 400, {"message": "Request must contain a kbn-xsrf header."}
        form = BytesParser(EmailMessage, policy=HTTP).parsebytes(
            b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        ((part),) = form.iter_parts()
        if not str(part.get_filename()).endswith(".ndjson"):
            return 400, {"message": "Invalid file extension"}
        rows = [json.loads(line) for line in part.get_payload(decode=True).splitlines()]  # type: ignore[union-attr]
        names = {(row["type"], row["id"]) for row in rows}
        errors = [
            {"id": row["id"], "error": {"type": "missing_references"}}
            for row in rows
            for ref in row["references"]
            if (ref["type"], ref["id"]) not in names | self.objects.keys()
        ]
        if errors or {row["type"] for row in rows} - _KIBANA_TYPES.keys():
            return 200, {"success": False, "successCount": 0, "errors": errors}
        self.objects |= {(row["type"], row["id"]): row for row in rows}
        return 200, {"success": True, "successCount": len(rows)}
