"""Metrics as Prometheus reads them, in one process and across workers that come and go."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.collectors import IngestCollector, IngestState
from openwatt.telemetry.metrics.registry import DURATION_BUCKETS, Metrics, exposition_of
from openwatt.telemetry.metrics.server import MetricsServer
from openwatt.telemetry.shipping.shipper import DROP_REASONS, Snapshot


def samples(text: str) -> dict[str, float]:
    """`name{label="value",…}` → value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def read(metrics: Metrics, *collectors: IngestCollector) -> dict[str, float]:
    return samples(generate_latest(metrics.exposition(collectors)).decode())


def test_the_families_carry_the_names_of_the_operators_guide() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/v1/tariffs", 200, 0.9)
    found = read(metrics)
    labels = 'method="GET",route="/v1/tariffs",status="200"'
    assert found[f"http_requests_total{{{labels}}}"] == 1
    assert found[f"http_request_duration_seconds_count{{{labels}}}"] == 1
    assert found[f'http_request_duration_seconds_bucket{{le="0.75",{labels}}}'] == 0
    assert found[f'http_request_duration_seconds_bucket{{le="1.0",{labels}}}'] == 1
    assert found["http_requests_in_progress"] == 0


def test_the_thresholds_of_alerts_and_objectives_are_edges_of_buckets() -> None:
    assert {1.0, 2.0} <= set(DURATION_BUCKETS)


def test_the_errors_of_a_route_are_told_before_the_first_one() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/v1/tariffs", 200, 0.01)
    metrics.observe_request("GET", "/v1/tariffs", 503, 0.01)
    found = read(metrics)
    assert found['http_requests_total{method="GET",route="/v1/tariffs",status="500"}'] == 0
    assert found['http_requests_total{method="GET",route="/v1/tariffs",status="503"}'] == 1


def test_strangers_cannot_add_series() -> None:
    metrics = Metrics()
    for number in range(300):
        metrics.observe_request(f"M{number}", None, 404, 0.001)
    requests = {
        name: value for name, value in read(metrics).items() if name.startswith("http_requests_total")
    }
    assert requests == {'http_requests_total{method="OTHER",route="<unmatched>",status="404"}': 300}


def test_the_build_is_told_by_version_and_revision() -> None:
    metrics = Metrics()
    metrics.announce_build("0.1.0", "abc1234")
    assert read(metrics)['openwatt_build_info{revision="abc1234",version="0.1.0"}'] == 1


def test_log_shipping_is_counted_by_what_changed_since_the_last_report() -> None:
    metrics = Metrics()
    report = metrics.shipping_reporter()
    report(Snapshot(emitted=10, sent=6, queued=3, dropped={"ring_full": 1}))
    report(Snapshot(emitted=15, sent=12, queued=0, dropped={"ring_full": 3}, connected=True))
    found = read(metrics)
    assert found["openwatt_log_records_emitted_total"] == 15
    assert found["openwatt_log_records_sent_total"] == 12
    assert found['openwatt_log_records_dropped_total{reason="ring_full"}'] == 3
    assert found["openwatt_log_shipping_queued_records"] == 0
    assert found["openwatt_log_shipping_connected"] == 1


def test_every_reason_of_a_loss_is_told_before_the_first_loss() -> None:
    found = read(Metrics())
    assert found['openwatt_log_records_dropped_total{reason="spool_full"}'] == 0
    assert sum(name.startswith("openwatt_log_records_dropped_total") for name in found) == len(DROP_REASONS)


def test_the_pool_is_shown_by_state() -> None:
    metrics = Metrics()
    metrics.report_pool({"pool_size": 4, "pool_available": 1, "requests_waiting": 2, "requests_wait_ms": 812})
    assert read(metrics)['openwatt_database_pool{state="waiting"}'] == 2


def test_freshness_is_asked_at_scrape_time_and_a_dead_database_costs_nothing_else() -> None:
    states = [
        IngestState(
            "edf-bleu",
            1700000000.0,
            {"published": 2, "unchanged": 9, "refused": 1},
            last_look_at=1700090000.0,
            failures_in_a_row=1,
            cadence_s=86400,
            reviews_pending=1,
        ),
        IngestState("new", None),
    ]
    found = read(Metrics(), IngestCollector(lambda: states))
    assert found['openwatt_ingest_last_success_timestamp_seconds{source="edf-bleu"}'] == 1700000000
    assert found['openwatt_ingest_runs_total{outcome="unchanged",source="edf-bleu"}'] == 9
    assert found['openwatt_ingest_last_look_timestamp_seconds{source="edf-bleu"}'] == 1700090000
    assert found['openwatt_ingest_failures_in_a_row{source="edf-bleu"}'] == 1
    assert found['openwatt_ingest_cadence_seconds{source="edf-bleu"}'] == 86400
    assert found['openwatt_ingest_reviews_pending{source="edf-bleu"}'] == 1
    assert 'openwatt_ingest_last_success_timestamp_seconds{source="new"}' not in found
    assert 'openwatt_ingest_cadence_seconds{source="new"}' not in found

    def fail() -> Iterable[IngestState]:
        raise ConnectionError("the database is down")

    found = read(Metrics(), IngestCollector(fail))
    assert found["openwatt_ingest_state_readable"] == 0
    assert "http_requests_in_progress" in found


MASTER = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from openwatt.telemetry.metrics import worker_slots
worker_slots.prepare(Path(sys.argv[1]))
from openwatt.telemetry.metrics.registry import Metrics
metrics = Metrics()
metrics.announce_build("0.1.0", "abc1234")
server = SimpleNamespace(WORKERS={})

def spawn(answer, *, killed=False):
    worker = SimpleNamespace()
    worker_slots.pre_fork(server, worker)
    pid = os.fork()
    if pid == 0:
        worker_slots.post_fork(worker)
        for _ in range(answer):
            metrics.in_progress.inc()
            metrics.observe_request("GET", "/v1/tariffs", 200, 0.01)
            if not killed:
                metrics.in_progress.dec()
        os.kill(os.getpid(), 9) if killed else os._exit(0)
    server.WORKERS[pid] = worker
    return pid

def reap(pid):
    os.waitpid(pid, 0)
    worker_slots.child_exit(server.WORKERS.pop(pid))

for generation in range(int(sys.argv[2])):
    for pid in [spawn(10), spawn(10, killed=generation % 5 == 0)]:
        reap(pid)
from prometheus_client import generate_latest
sys.stdout.write(generate_latest(metrics.exposition()).decode())
sys.stdout.flush()
if sys.argv[3] == "exit":
    worker_slots.on_exit()
"""


def run_master(directory: Path, generations: int, end: str = "exit", **environ: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", MASTER, str(directory), str(generations), end],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
    )
    return samples(done.stdout)


LABELS = '{method="GET",route="/v1/tariffs",status="200"}'


def test_forty_recycled_workers_count_exactly_and_leave_the_files_of_two(tmp_path: Path) -> None:
    found = run_master(tmp_path, 20)
    assert found[f"http_requests_total{LABELS}"] == 400
    assert found[f"http_request_duration_seconds_count{LABELS}"] == 400
    assert found["http_requests_in_progress"] == 0
    assert found['openwatt_build_info{revision="abc1234",version="0.1.0"}'] == 1
    files = {path.name.split("_")[-1] for path in tmp_path.glob("*.db")}
    assert len(files) == 3  # the master and two places
    assert len(list(tmp_path.glob("*.db"))) <= 8


def test_a_master_started_by_usr2_goes_on_counting_and_a_cold_start_begins_again(tmp_path: Path) -> None:
    run_master(tmp_path, 3)
    upgraded = run_master(tmp_path, 2, GUNICORN_PID="1")
    assert upgraded[f"http_requests_total{LABELS}"] == 100
    assert upgraded['openwatt_build_info{revision="abc1234",version="0.1.0"}'] == 1
    assert run_master(tmp_path, 1)[f"http_requests_total{LABELS}"] == 20


def test_places_are_given_lowest_first_and_never_twice() -> None:
    server = SimpleNamespace(WORKERS={})
    workers = [SimpleNamespace() for _ in range(4)]
    for pid, worker in enumerate(workers[:3]):
        worker_slots.pre_fork(server, worker)
        server.WORKERS[pid] = worker
    del server.WORKERS[1]
    worker_slots.pre_fork(server, workers[3])
    places = [worker.openwatt_slot.rpartition("-") for worker in workers]
    assert [number for _, _, number in places] == ["1", "2", "3", "2"]
    (master,) = {master for master, _, _ in places}
    assert master.startswith(f"{os.getpid()}.")  # and the time of its start


def test_a_separate_server_serves_what_the_workers_wrote(tmp_path: Path) -> None:
    run_master(tmp_path, 2)
    server = MetricsServer(0, tmp_path, [IngestCollector(lambda: [IngestState("edf-bleu", 5.0)])])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as response:
            found = samples(response.read().decode())
    finally:
        server.close()
    assert found[f"http_requests_total{LABELS}"] == 40
    assert found['openwatt_ingest_last_success_timestamp_seconds{source="edf-bleu"}'] == 5


def test_a_file_that_was_never_filled_does_not_cost_the_scrape(tmp_path: Path) -> None:
    run_master(tmp_path, 1)
    (tmp_path / "counter_1-9.db").touch()  # its process was killed between making it and filling it
    found = samples(generate_latest(exposition_of(tmp_path)).decode())
    assert found[f"http_requests_total{LABELS}"] == 20


def test_a_separate_server_starts_before_the_application_has_written_anything(tmp_path: Path) -> None:
    assert generate_latest(exposition_of(tmp_path)) == b""


@pytest.mark.slow
def test_a_scrape_costs_the_same_after_two_hundred_recycled_workers(tmp_path: Path) -> None:
    run_master(tmp_path, 1)
    before = len(list(tmp_path.glob("*.db")))
    run_master(tmp_path, 100, GUNICORN_PID=str(signal.SIGUSR2))
    assert len(list(tmp_path.glob("*.db"))) <= before * 2
