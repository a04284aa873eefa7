"""The real service, its lines sent as it sends them, into models of Logstash and Elasticsearch."""

import http.client
import http.server
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from openwatt.telemetry.logs.fields import FIELDS
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import ShippingConfig
from tests.chaos.running import Answer, new_home, wait_until
from tests.log_receivers import Receiver
from tests.ops.elastic_index import Stack
from tests.ops.elastic_server import ElasticServer

ROOT = Path(__file__).resolve().parents[2]
ELASTIC = ROOT / "ops" / "elastic"
#: What a client can ask: well, badly, for nothing, in foreign signs, too long, with an address that is none.
ASKED = {
    "support-0001": "/v1/tariffs?supplier=EDF&option=BASE&power_kva=6&on=2025-09-01",
    "support-0002": "/v1/tariffs?power_kva=zero&on=yesterday",
    "support-0003": "/no/such/page",
    "support-0004": "/%00%ff%f0%9f%92%a1/%ed%a0%80",
    "support-0005": "/" + "x" * 3000,
    "support-0006": "/v1/bills?kwh=5000&power_kva=6&profile=electric_heating",
    "support-0007": "/health/ready",
}


@dataclass
class Run:
    """What one life of the service left: its log file, and the index that its shipping filled."""

    log: list[bytes]
    stack: Stack
    answers: dict[str, Answer]


def receiving(stack: Stack) -> Receiver:
    """A TCP server that hands each line to the pipeline as it arrives, and the rest at the end."""
    lock = threading.Lock()

    def serve(connection: socket.socket, _number: int, _buffer: bytearray) -> None:
        rest = b""
        while chunk := connection.recv(65536):
            lines, _, rest = (rest + chunk).rpartition(b"\n")
            with lock:
                stack.receive(lines)
        with lock:
            stack.receive(rest)
        connection.close()

    return Receiver(serve)


def new_stack() -> Stack:
    dead_letters = yaml.safe_load((ELASTIC / "pipelines.yml").read_text())[1]["config.string"]
    return Stack((ROOT / "logstash.conf").read_text(), dead_letters, ELASTIC)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    stack = new_stack()
    receiver = receiving(stack)
    with new_home() as home:
        log = home.folder / "api.log"
        service = home.service(
            OPENWATT_LOG_FILE=str(log),
            OPENWATT_LOGSTASH_URL=receiver.url,
            OPENWATT_LOG_LEVEL="DEBUG",
            OPENWATT_TRUSTED_PROXIES="1",
            OPENWATT_LIMIT_PAGES="2/day",
            PYTHONWARNINGS="ignore",  # what a dying interpreter warns of stays in the spool
        ).ready()
        headers = {"X-Forwarded-For": "999.1.2.3", "traceparent": f"00-{'0af76519' * 4}-00f067aa0ba902b7-01"}
        answers = {
            name: service.get(path, headers={**headers, "X-Request-ID": name}) for name, path in ASKED.items()
        }
        for number in range(4):  # more than the limit of pages
            name = f"support-01{number:02}"
            answers[name] = service.get("/docs", headers={"X-Request-ID": name})
        os.kill(
            service.both_workers()[0], signal.SIGABRT
        )  # as Gunicorn ends a worker that hangs: it tells all its stacks
        wait_until(lambda: log.read_bytes().count(b"Booting worker") == 3)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: log.read_bytes().count(b"Booting worker") == 5)
        assert service.end() == 0, service.said()
        lines = log.read_bytes().splitlines()
        wait_until(lambda: len(stack.index.all()) >= len(lines))
    yield Run(lines, stack, answers)
    receiver.close()


def test_every_line_of_the_service_is_a_document_of_the_right_day_and_none_is_lost(run: Run) -> None:
    records = [json.loads(line) for line in run.log]
    assert len(records) > 30
    stored = {
        (index, document_id): source
        for index, kept in run.stack.index.documents.items()
        for document_id, source in kept.items()
    }
    days = {
        (f"openwatt-{record['@timestamp'][:10].replace('-', '.')}", record["event_id"]) for record in records
    }
    assert stored.keys() == days
    for record in records:
        day = f"openwatt-{record['@timestamp'][:10].replace('-', '.')}"
        assert stored[day, record["event_id"]] == record


def test_no_field_of_the_service_is_left_out_of_the_index_or_unknown_to_it(run: Run) -> None:
    left_out = {name for names in run.stack.index.ignored.values() for name in names}
    assert left_out == {"path"}  # 3,000 signs: kept, and too long to be searched
    assert {name for source in run.stack.index.all() for name in source} <= FIELDS.keys()


def test_all_kinds_of_lines_were_among_them(run: Run) -> None:
    """Else the two tests before say less than they seem to."""
    loggers = {source["logger"] for source in run.stack.index.all()}
    assert {
        "openwatt.access",
        "gunicorn.error",
        "openwatt.gunicorn",
        "openwatt.threads",
        "openwatt.bootstrap",
    } <= loggers
    assert {source["level"] for source in run.stack.index.all()} >= {"debug", "info", "critical"}
    assert any("stack_info" in source for source in run.stack.index.all())
    assert {answer.status for answer in run.answers.values()} >= {200, 400, 404, 429}


def test_a_request_is_found_again_by_the_id_that_its_client_was_given(run: Run) -> None:
    with ElasticServer(run.stack.index) as server:
        for name in ASKED:
            headers = run.answers[name].headers
            is_public = headers["cache-control"].startswith("public")
            assert headers.get("x-request-id") == (None if is_public else name)
            body = json.dumps({"query": {"term": {"request_id": name}}, "size": 100})
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
            connection.request("POST", "/openwatt-*/_search", body, {"Content-Type": "application/json"})
            hits = json.load(connection.getresponse())["hits"]["hits"]
            connection.close()
            told: list[dict[str, Any]] = [hit["_source"] for hit in hits]
            (access,) = [source for source in told if source["event"] == "request"]
            assert access["status"] == run.answers[name].status
            assert access["trace_id"] == "0af76519" * 4
            assert {source["request_id"] for source in told} == {name}


def test_records_that_are_posted_one_by_one_or_together_are_all_stored(tmp_path: Path) -> None:
    stack = new_stack()
    sizes: list[int] = []

    class Input(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sizes.append(len(json.loads(body)))
            stack.post(body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            """Nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Input)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    shipper = LogstashHandler(
        ShippingConfig(url=f"http://127.0.0.1:{server.server_port}", spool=tmp_path)
    ).shipper
    formatter = JsonFormatter(Identity())
    for count in (1, 300):
        for number in range(count):
            record = logging.LogRecord("test", logging.INFO, "", 0, "number %s", (number,), None)
            shipper.put(formatter.format(record).encode() + b"\n")
        assert shipper.flush(20)
    shipper.close()
    server.shutdown()
    server.server_close()
    assert min(sizes) == 1
    assert max(sizes) > 1
    assert sum(sizes) == len(stack.index.all()) == 301
    assert not [source for source in stack.index.all() if "tags" in source]
