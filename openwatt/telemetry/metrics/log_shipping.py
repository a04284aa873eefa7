"""The metric families of log shipping."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge

from openwatt.telemetry.shipping.shipper import DROP_REASONS, Snapshot


class ShippingMetrics:
    """Counters made of the differences between snapshots, gauges of their state."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"openwatt_log_records_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
            return Gauge(f"openwatt_log_shipping_{name}", text, multiprocess_mode=mode, registry=registry)  # type: ignore[arg-type]  # typed as the few words it is always given

        self._counters = {
            "emitted": counter("emitted", "Log records given to shipping."),
            "adopted": counter("adopted", "Log records taken over from a process that ended."),
            "sent": counter("sent", "Log records that the receiver has read."),
            "resent": counter("resent", "Log records sent once more after a broken connection."),
        }
        self._dropped = counter("dropped", "Log records lost, by reason.", ("reason",))
        for reason in DROP_REASONS:  # a series that began with its first loss would hide that loss
            self._dropped.labels(reason)
        self._gauges = {
            "queued": gauge("queued_records", "Log records in memory."),
            "spooled": gauge("spooled_records", "Log records on disk, waiting for the receiver."),
            "spooled_bytes": gauge("spooled_bytes", "Their size."),
            "connected": gauge("connected", "Processes connected to the receiver."),
            "last_success_at": gauge(
                "last_success_timestamp_seconds", "When the receiver last took records.", "livemax"
            ),
        }

    def add(self, last: Snapshot, snapshot: Snapshot) -> None:
        """Adds what changed between two snapshots to the counters, and sets the gauges."""
        for name, counter in self._counters.items():
            counter.inc(getattr(snapshot, name) - getattr(last, name))
        for reason, count in snapshot.dropped.items():
            self._dropped.labels(reason).inc(count - last.dropped.get(reason, 0))
        for name, gauge in self._gauges.items():
            gauge.set(getattr(snapshot, name))


class ShippingReporter:
    """Reports the snapshots of one shipper, which counts from nothing: its `on_progress`."""

    def __init__(self, metrics: ShippingMetrics) -> None:
        self._metrics = metrics
        self._last = Snapshot()
        self._pid = os.getpid()

    def __call__(self, snapshot: Snapshot) -> None:
        """Reports a snapshot."""
        if self._pid != os.getpid():  # a forked child counts from nothing
            self._pid, self._last = os.getpid(), Snapshot()
        last, self._last = self._last, snapshot
        self._metrics.add(last, snapshot)
