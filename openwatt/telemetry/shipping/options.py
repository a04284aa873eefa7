"""What log shipping is asked to do, and where every record is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

#: Why a record can be lost.
DropReason = Literal["exit", "interrupted", "refused", "ring_full", "spool_full", "spool_lost", "too_large"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingConfig:
    """Where records go and what may be kept for them, for one process.

    Without a spool folder, what does not fit in the ring is dropped, and
    counted. `spool_bytes` is each process's share of the disk.
    """

    url: str
    spool: Path | None = None
    ring_bytes: int = 4 * 1024 * 1024
    spool_bytes: int = 256 * 1024 * 1024
    confirm_seconds: float = 2.0
    longest_pause_seconds: float = 30.0
    flush_seconds: float = 2.0
    adopt_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.spool_bytes < self.ring_bytes:
            raise ValueError("spool_bytes must hold at least one ring: spool_bytes >= ring_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Where every record is, at one instant.

    `emitted` and `adopted` (taken over from a process that died) are what came
    in; each of those is in exactly one of the others. `queued` is counted in
    the ring itself. `resent` counts second sendings, which the receiver tells
    by `event_id`.
    """

    emitted: int = 0
    adopted: int = 0
    sent: int = 0
    spooled: int = 0
    queued: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    resent: int = 0
    spooled_bytes: int = 0
    queued_bytes: int = 0
    connected: bool = False
    last_success_at: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for; it always is, and tests hold it to that."""
        out = self.sent + self.spooled + self.queued + sum(self.dropped.values())
        return self.emitted + self.adopted == out
