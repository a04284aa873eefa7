"""remote_write.yml run by the real Prometheus against a local receiver; the Alloy file is only looked at."""

import base64
import http.server
import re
import subprocess
import threading
from pathlib import Path

import yaml

from tests.chaos.running import free_port, wait_until
from tests.programs import needs_program

GRAFANA_CLOUD = Path(__file__).resolve().parents[2] / "ops" / "grafana-cloud"


class Pushes:
    """A server that takes what Prometheus pushes and keeps each post's headers and body."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        posts = self.posts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def unpacked(body: bytes) -> bytes:
    """The bytes of one block of snappy, which is how Prometheus packs what it pushes."""
    at, length, shift = 0, 0, 0
    while True:
        length |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
        if body[at - 1] < 0x80:
            break
    found = bytearray()
    while at < len(body):
        tag, at = body[at], at + 1
        kind, size = tag & 3, tag >> 2
        if kind == 0:
            further = max(0, size - 59)
            size = (int.from_bytes(body[at : at + further], "little") if further else size) + 1
            found += body[at + further : at + further + size]
            at += further + size
            continue
        wide = {1: 1, 2: 2, 3: 4}[kind]
        offset = int.from_bytes(body[at : at + wide], "little")
        at += wide
        if kind == 1:
            offset, size = offset | (tag >> 5) << 8, (size & 7) + 3
        for _ in range(size + 1):
            found.append(found[-offset])
    assert len(found) == length
    return bytes(found)


def metric_names(body: bytes) -> set[bytes]:
    """The names of the samples of one push."""
    return set(re.findall(rb"__name__\x12.([\w:]+)", unpacked(body), re.DOTALL))


@needs_program("prometheus")
def test_prometheus_sends_our_metrics_with_the_token_from_its_file_and_none_of_its_own(
    tmp_path: Path,
) -> None:
    pushes = Pushes()
    (tmp_path / "token").write_text("glc_hush\n")
    text = (GRAFANA_CLOUD / "remote_write.yml").read_text()
    for written, meant in [
        (re.findall(r"url: (\S+)", text)[0], f"http://127.0.0.1:{pushes.server.server_port}/push"),
        ("/run/secrets/grafana_cloud_token", str(tmp_path / "token")),
        ("max_shards: 4", "max_shards: 4\n      batch_send_deadline: 100ms"),  # 5 s else
    ]:
        assert written in text
        text = text.replace(written, meant)
    port = free_port()
    scrape = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "itself", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(scrape) + text)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: len([body for _, body in pushes.posts if metric_names(body)]) >= 2)
        headers, _ = pushes.posts[0]
        token = base64.b64encode(b"000000:glc_hush").decode()
        assert headers["authorization"] == f"Basic {token}"
        assert headers["content-encoding"] == "snappy"
        assert {name for _, body in pushes.posts for name in metric_names(body)} == {b"up"}
    finally:
        process.terminate()
        process.wait(20)
        pushes.close()


def test_both_ways_read_the_token_from_a_file_and_go_to_the_same_place() -> None:
    written = yaml.safe_load((GRAFANA_CLOUD / "remote_write.yml").read_text())["remote_write"][0]
    alloy = (GRAFANA_CLOUD / "config.alloy").read_text()
    assert written["basic_auth"].keys() == {"username", "password_file"}
    assert f'filename  = "{written["basic_auth"]["password_file"]}"' in alloy
    assert f'url = "{written["url"]}"' in alloy
    assert alloy.count("{") == alloy.count("}")
    assert "is_secret = true" in alloy
