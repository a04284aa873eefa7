"""The fault of `openwatt drill disk`: seen by a scrape, harmless, and over with the drill."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from openwatt.doctor.results import CheckFailedError
from openwatt.drill.full_disk import unfilled_file
from openwatt.observability import metrics_directory
from openwatt.settings import Settings
from openwatt.telemetry.metrics.registry import exposition_of
from openwatt.telemetry.metrics.scrape import read_scrape
from openwatt.telemetry.metrics.worker_files import DRILL_FILE


def empty_files(folder: Path) -> float:
    """How many files a scrape says are empty."""
    told = read_scrape(generate_latest(exposition_of(folder)).decode()).get("openwatt_metrics_files", [])
    return sum(sample.value for sample in told if sample.labels["state"] == "empty")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, bind="127.0.0.1:8000")


def test_a_scrape_sees_the_file_while_the_drill_lasts(settings: Settings) -> None:
    folder = metrics_directory(settings)
    folder.mkdir(parents=True)
    with unfilled_file(settings):
        assert empty_files(folder) == 1
    assert empty_files(folder) == 0
    assert not list(folder.iterdir())


def test_a_drill_that_was_killed_counts_for_an_hour_at_most(settings: Settings) -> None:
    folder = metrics_directory(settings)
    folder.mkdir(parents=True)
    (folder / DRILL_FILE).touch()
    assert empty_files(folder) == 1
    long_ago = time.time() - 3601
    os.utime(folder / DRILL_FILE, (long_ago, long_ago))
    assert empty_files(folder) == 0


def test_where_no_service_writes_metrics_the_drill_says_where_to_go(settings: Settings) -> None:
    with pytest.raises(CheckFailedError, match="No such file") as refused, unfilled_file(settings):
        pass
    assert "OPENWATT_DATA_DIR" in refused.value.remedy
