"""/metrics as the library serves it, in one process and with files that workers share, whole or filtered."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

ASK = """
import sys
from pathlib import Path
from flask import Flask
from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.collectors import DiskCollector
from openwatt.telemetry.metrics.exporter import Exporter
from openwatt.telemetry.metrics.registry import Metrics
if sys.argv[1] == "shared":
    worker_slots.prepare(Path(sys.argv[2]))
metrics = Metrics()
app = Flask("asked")
Exporter(app, metrics.exposition([DiskCollector({"data": Path("/")})]))
metrics.observe_request("GET", "/v1/tariffs", 200, 0.01)
answer = app.test_client().get(sys.argv[3], headers={"Accept": sys.argv[4]})
print(answer.status_code, answer.content_type)
print(answer.get_data(as_text=True), end="")
"""


@pytest.mark.parametrize("mode", ["alone", "shared"])
@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_endpoint_serves_requests_and_what_is_read_at_scrape_time_whole_or_filtered(
    mode: str, accept: str, tmp_path: Path
) -> None:
    for path, families in {
        "/metrics": {"http_requests", "http_request_duration_seconds", "openwatt_disk_free_bytes"},
        "/metrics?name[]=http_requests_total&name[]=openwatt_disk_free_bytes": {
            "http_requests",
            "openwatt_disk_free_bytes",
        },
    }.items():
        command = [sys.executable, "-c", ASK, mode, str(tmp_path), path, accept]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        head, _, body = done.stdout.partition("\n")
        assert head.startswith(f"200 {accept.partition(';')[0]};")
        read = read_openmetrics if "openmetrics" in accept else read_text
        found = {family.name for family in read(body) if family.samples}
        assert families <= found
        assert "name[]" not in path or found == families
