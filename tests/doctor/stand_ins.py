"""What cannot run here, in small: models of Grafana, Elasticsearch, CloudWatch; and a proxy that lies.

They are models: they answer the few questions the doctor asks as the real ones document them, and
prove that the doctor asks and judges, not that the real ones answer so.
"""

import base64
import email.utils
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.log_receivers import Receiver


class StandIn:
    """A server on the loopback interface; `answer` gives the status and body of a path."""

    def __init__(self) -> None:
        self.clock_off_s = 0.0
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, body = stand_in.answer(self.path, dict(self.headers), asked)
                self.send_response_only(status)
                told = {"Date": email.utils.formatdate(time.time() + stand_in.clock_off_s, usegmt=True)}
                for name, value in {**told, **headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def in_json(status: int, told: object) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(told).encode()


class Grafana(StandIn):
    """Knows a name and password, a data source and the dashboards of a folder."""

    def __init__(self, dashboards: Path, password: str) -> None:
        found = [json.loads(path.read_text()) for path in dashboards.glob("*.json")]
        self.dashboards = {dashboard["uid"]: dashboard for dashboard in found}
        self.datasources = {
            "prometheus": {"uid": "prometheus", "type": "prometheus", "url": "http://prometheus:9090"}
        }
        self.proxied: dict[str, Any] = {"status": "success", "data": {"version": "3.5.3"}}
        """What its data source finds at its address."""
        self.health = "ok"
        self._key = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        super().__init__()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        del body
        if path == "/api/health":
            status = 200 if self.health == "ok" else 503
            return in_json(status, {"database": self.health, "version": "13.1.0"})
        if headers.get("Authorization") != self._key:
            return in_json(401, {"message": "Invalid username or password"})
        kind, _, uid = path.removeprefix("/api/").rpartition("/")
        if path == "/api/datasources/proxy/uid/prometheus/api/v1/status/buildinfo":
            return in_json(200, self.proxied)
        if kind == "datasources/uid" and uid in self.datasources:
            return in_json(200, self.datasources[uid])
        if kind == "dashboards/uid" and uid in self.dashboards:
            return in_json(200, {"meta": {"provisioned": True}, "dashboard": self.dashboards[uid]})
        return in_json(404, {"message": "not found"})


class Elasticsearch(StandIn):
    """Holds what a receiver in Logstash's place was sent, and finds a record by a field's value."""

    def __init__(self) -> None:
        self.logstash = Receiver()
        super().__init__()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        del headers
        if urlsplit(path).path != "/openwatt-*/_search":
            return in_json(404, {"error": "no such index"})
        asked = json.loads(body)
        ((field, value),) = asked["query"]["term"].items()
        hits = [{"_source": record} for record in self._records() if record.get(field) == value]
        return in_json(200, {"hits": {"total": {"value": len(hits)}, "hits": hits[: asked["size"]]}})

    def _records(self) -> list[dict[str, Any]]:
        whole = [line for buffer in self.logstash.buffers for line in bytes(buffer).splitlines(keepends=True)]
        return [json.loads(line) for line in whole if line.endswith(b"\n")]

    def close(self) -> None:
        self.logstash.close()
        super().close()


Change = Callable[[str, int, bytes], tuple[int, bytes]]


class Proxy(StandIn):
    """Passes everything on to a real server, and changes what comes back."""

    def __init__(self, target: str, change: Change, *, drop_headers: frozenset[str] = frozenset()) -> None:
        self._target, self._change = target, change
        self.changed = 0
        """How many answers came back changed."""
        self._dropped = {"transfer-encoding", "connection", "content-length", *drop_headers}
        super().__init__()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent = {name: value for name, value in headers.items() if name.lower() not in {"host", "connection",
                "accept-encoding"}}  # fmt: skip
        request = urllib.request.Request(self._target + path, body or None, sent)  # noqa: S310  loopback
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  loopback
                status, told, given = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, told, given = error.code, error.headers, error.read()
        before = status, given
        status, given = self._change(path, status, given)
        self.changed += before != (status, given)
        return status, {k: v for k, v in told.items() if k.lower() not in self._dropped}, given


#: What stands in for the AWS command line: it finds the id of a filter pattern in a log.
AWS = """#!{python}
import json, re, sys
arguments = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if arguments["--log-group-name"] != "/aws/openwatt/api":
    sys.exit("An error occurred (ResourceNotFoundException): The specified log group does not exist.")
wanted = re.fullmatch(r'{{ \\$\\.request_id = "([^"]+)" }}', arguments["--filter-pattern"])[1]
lines = [line for line in open({log!r}) if wanted in line]
print(json.dumps({{"events": [{{"message": line}} for line in lines]}}))
"""
