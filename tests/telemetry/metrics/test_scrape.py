"""A scrape read back, and what it must hold."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from openwatt.telemetry.metrics.collectors import (
    BackupCollector,
    DiskCollector,
    IngestCollector,
    IngestState,
    PriceCollector,
)
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.metrics.scrape import declared_families, read_scrape
from openwatt.telemetry.metrics.worker_files import WorkerFiles


def test_what_is_served_is_read_back() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/v1/tariffs", 200, 0.3)
    metrics.announce_build("1.2.3", "abc")
    told = read_scrape(generate_latest(metrics.registry).decode())
    (counted,) = [
        sample for sample in told["http_requests"] if sample.name == "http_requests_total" and sample.value
    ]
    assert (counted.labels, counted.value) == ({"method": "GET", "route": "/v1/tariffs", "status": "200"}, 1)
    assert [sample.labels for sample in told["openwatt_build_info"]] == [
        {"version": "1.2.3", "revision": "abc"}
    ]


def test_what_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        read_scrape("<html>\n<p class='x'>no</p>\n")


def test_every_family_that_is_ever_served_is_declared(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.registry.register(
        IngestCollector(lambda: [IngestState("x", 1.0, {"published": 1}, 1.0, 0, 1.0, 0)])
    )
    metrics.registry.register(BackupCollector(lambda: (1.0, 1), lambda: True))
    metrics.registry.register(DiskCollector({"data": tmp_path}))
    metrics.registry.register(PriceCollector(list))
    (tmp_path / "counter_1.a-1.db").touch()
    metrics.registry.register(WorkerFiles(tmp_path))
    served = {family.name for family in metrics.registry.collect()}
    declared = declared_families()
    assert set(declared) == served
    assert len(served) > 20


def test_a_fresh_service_has_what_is_always_there_and_no_more() -> None:
    declared = declared_families()
    assert declared["http_requests_in_progress"]
    assert declared["openwatt_build_info"]
    assert declared["openwatt_ingest_state_readable"]
    assert not declared["http_requests"]
    assert not declared["openwatt_rate_limit_breaches"]
    assert declared["openwatt_disk_free_ratio"]
    assert not declared["openwatt_metrics_files"]
    assert not declared["openwatt_backup_last_success_timestamp_seconds"]
