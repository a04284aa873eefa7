"""The readers of the grid operator's JSON: its programming interface and its web page."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Finding, Readings
from openwatt.domain.messages import Message
from openwatt.meter.cells import homes_in, text_of
from openwatt.meter.columns import Spans
from openwatt.meter.measurements import Rows, read_numbers, read_stamps, steps_between
from openwatt.meter.options import UNITS, FileOptions
from openwatt.meter.refusals import refused
from openwatt.meter.vocabulary import direction_of, unit_of

_MINUTES = re.compile(r"PT(\d{1,3})M")
#: How deep the measurements may lie in a document.
_DEPTH = 8


def read_document(document: Any, options: FileOptions) -> Readings | None:
    """The measurements of a document, None where it holds none of a known form.

    Raises:
        MeterFileError: another kind of data, or a row that cannot be read.
    """
    if holders := list(_holders(document, "interval_reading")):
        return _interface(holders, options)
    if rows := list(_holders(document, "dateDebut", "valeur")):
        return _browser(rows)
    return None


def _interface(holders: Sequence[Mapping[str, Any]], options: FileOptions) -> Readings:
    """Data Connect, MyElectricalData, Conso API: mean W, legal time, stamped with the **end** of the step."""
    dates: list[str] = []
    values: list[str] = []
    steps: list[int] = []
    units: set[str] = set()
    homes: set[str] = set()
    directions: set[str | None] = set()
    for holder in holders:
        kind = holder.get("reading_type")
        kind = kind if isinstance(kind, Mapping) else {}
        _refuse_kind(kind)
        directions.add(_direction(holder, kind))
        homes |= homes_in([text_of(holder.get("usage_point_id"))])
        units.add(str(kind.get("unit") or "W"))
        rows = holder["interval_reading"]
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, Mapping) or "date" not in row or "value" not in row:
                raise MeterFileError(Message("row.no_date_or_value"))
            dates.append(text_of(row["date"]))
            values.append(text_of(row["value"]))
            length = row.get("interval_length") or kind.get("interval_length") or ""
            step = _MINUTES.fullmatch(str(length))
            steps.append(int(step.group(1)) if step else 0)
    if "production" in directions or options.direction == "production":
        raise refused("production")
    if len(units) > 1:
        raise MeterFileError(Message("file.mixed_units"))
    findings: tuple[Finding, ...] = ()
    if None in directions and options.direction is None:
        findings = (Finding("assumed", 1, Message("finding.assumed_consumption")),)
    unit = unit_of(units.pop())
    milli_per_unit, is_energy = UNITS[unit or "W"]
    stamps = read_stamps(Spans.of(dates).trimmed())
    if dates and stamps.timeless.all():
        raise refused("daily")
    milli, present = read_numbers(Spans.of(values).trimmed(), milli_per_unit, stamps.valid)
    own = np.array(steps, dtype=np.int64)
    return Rows(stamps, milli, present, own, "end", is_energy, frozenset(homes), findings).readings()


def _direction(holder: Mapping[str, Any], kind: Mapping[str, Any]) -> str | None:
    """Which way the energy goes, None where the answer does not say."""
    texts = [str(one.get("flow_direction") or "") for one in (holder, kind)]
    texts += [str(kind.get(name) or "") for name in ("measurement_kind", "aggregate")]
    return "production" if any("reverse" in text.lower() for text in texts) else direction_of(texts)


def _refuse_kind(kind: Mapping[str, Any]) -> None:
    words = " ".join(str(kind.get(name, "")) for name in ("flow_direction", "measurement_kind", "aggregate"))
    unit = str(kind.get("unit") or "W")
    if "max" in words.lower() or unit == "VA":
        raise refused("maxima")
    if str(kind.get("measuring_period")) == "P1D":
        raise refused("daily")
    if unit_of(unit) is None:
        raise refused("unit", unit=unit[:20])


def _browser(rows: Sequence[Mapping[str, Any]]) -> Readings:
    """Rows of the operator's page: legal time, start and end, energy in kWh."""
    starts = read_stamps(Spans.of([text_of(row["dateDebut"]) for row in rows]).trimmed())
    ends = Spans.of([text_of(row.get("dateFin")) for row in rows]).trimmed()
    closes = read_stamps(ends, lambda *_: True)
    values = Spans.of([text_of(row["valeur"]) for row in rows]).trimmed()
    milli, present = read_numbers(values, 1_000_000, starts.valid)
    steps = np.where(closes.valid, steps_between(starts, closes), 0)
    return Rows(starts, milli, present, steps, "start", is_energy=True).readings()


def _holders(node: Any, *keys: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Every object of a document that has the keys, in its order."""
    if depth > _DEPTH:
        return
    if isinstance(node, Mapping):
        if all(key in node for key in keys):
            yield node
        else:
            for value in node.values():
                yield from _holders(value, *keys, depth=depth + 1)
    elif isinstance(node, list):
        for value in node:
            yield from _holders(value, *keys, depth=depth + 1)
