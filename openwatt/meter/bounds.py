"""The bounds of one upload, counted while it is read, before anything of that size is built."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from openwatt.domain.errors import MeterFileError
from openwatt.domain.messages import Message

Bound = Literal["bytes", "lines", "line", "columns", "cells", "nodes", "members", "memory", "time", "crash"]

MAX_BYTES = 32 * 1024 * 1024
"""Bytes once unpacked: more than ten years of one home at 10 minutes."""
MAX_LINES = 1_200_000
"""Lines of text and rows of sheets: eleven years at 5 minutes."""
MAX_LINE = 8192
"""Characters of a line."""
MAX_COLUMNS = 256
"""Columns of a sheet: a day of quarter hours in one row fits twice."""
MAX_CELLS = 6_000_000
"""Cells of lines and sheets, empty ones between others too."""
MAX_NODES = 3_000_000
"""Values of a JSON document, tags and attributes of a sheet's XML."""
MAX_MEMBERS = 200
"""Files in a zip."""

#: The bounds that a count reaches; memory and time are those of the sandbox.
_MAXIMA: dict[Bound, int] = {
    "bytes": MAX_BYTES,
    "lines": MAX_LINES,
    "line": MAX_LINE,
    "columns": MAX_COLUMNS,
    "cells": MAX_CELLS,
    "nodes": MAX_NODES,
    "members": MAX_MEMBERS,
}


class Reached(NamedTuple):
    """A bound that a file reaches.

    `limit` and `found` are in the unit of the sentence: MB of bytes and memory, seconds, else a count.
    """

    bound: Bound
    limit: int = 0
    found: int = 0


class MeterBoundError(MeterFileError):
    """A file is larger than what is read; the message names the bound and what to bring instead."""

    def __init__(self, reached: Reached) -> None:
        self.reached = reached
        super().__init__(Message.of(f"bound.{reached.bound}", limit=reached.limit, found=reached.found))


@dataclass(slots=True)
class Budget:
    """What is left of the bounds of one upload, however many files lie in it."""

    _used: dict[Bound, int] = field(default_factory=dict)

    def take(self, bound: Bound, amount: int) -> None:
        """Counts an amount.

        Raises:
            MeterBoundError: when the upload holds more than the bound with it.
        """
        used = self._used[bound] = self._used.get(bound, 0) + amount
        refuse_above(bound, used)


def refuse_above(bound: Bound, amount: int) -> None:
    """Refuses an amount that is above its bound by itself.

    Raises:
        MeterBoundError: when it is.
    """
    if amount > _MAXIMA[bound]:
        limit = _MAXIMA[bound]
        shown = limit // (1024 * 1024) if bound == "bytes" else limit
        raise MeterBoundError(Reached(bound, shown, amount))
