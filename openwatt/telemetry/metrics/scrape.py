"""Parses a scrape, and lists the families that it should hold."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from openwatt.telemetry.metrics.collectors import (
    BackupCollector,
    DiskCollector,
    IngestCollector,
    PriceCollector,
)
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.metrics.worker_files import files_family


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one moment."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_scrape(text: str) -> dict[str, list[Sample]]:
    """Returns family → samples of an exposition in Prometheus's text format.

    Raises:
        ValueError: it is not in that format.
    """
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        samples = (Sample(sample.name, sample.labels, sample.value) for sample in family.samples)
        found.setdefault(family.name, []).extend(samples)
    return found


def declared_families() -> dict[str, bool]:
    """Returns every family that this code can serve, and whether it always has a series.

    One with labels has none until the first event that they name, those of backups
    are served where a folder for them is set, that of prices where a setting names contracts,
    that of files where workers share some.
    """
    metrics = Metrics()
    collectors = [IngestCollector(list), DiskCollector({"data": Path("/")})]
    metrics.announce_build("", "")
    families = [
        *metrics.registry.collect(),
        *(family for collector in collectors for family in collector.collect()),
    ]
    always = {family.name: bool(family.samples) for family in families}
    sometimes = [
        *BackupCollector(lambda: None, lambda: True).collect(),
        *PriceCollector(list).collect(),
        files_family(Counter()),
    ]
    return always | {family.name: False for family in sometimes}
