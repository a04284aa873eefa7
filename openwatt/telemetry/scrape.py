"""What a scrape says, read back: for whoever must know that it is whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from openwatt.telemetry.metrics import IngestCollector, Metrics


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one moment."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_scrape(text: str) -> dict[str, list[Sample]]:
    """Family → its samples, of an exposition in Prometheus's text format.

    Raises:
        ValueError: it is not in that format.
    """
    return {
        family.name: [Sample(sample.name, sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def declared_families() -> dict[str, bool]:
    """Every family that this code can serve, and whether it has a series before anything has happened.

    One with labels has none until the first event that they name.
    """
    metrics = Metrics()
    metrics.announce_build("", "")
    families = [*metrics.registry.collect(), *IngestCollector(list).collect()]
    return {family.name: bool(family.samples) for family in families}
