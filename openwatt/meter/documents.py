"""The readers of the grid operator's JSON: its programming interface and its web page."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Readings
from openwatt.meter.cells import Column
from openwatt.meter.contents import Contents
from openwatt.meter.enedis import step_between

_MINUTES = re.compile(r"PT(\d{1,3})M")
_UNITS = {"W": 1000, "kW": 1_000_000}
#: How deep the measurements may lie in a document.
_DEPTH = 8


def is_interface(contents: Contents) -> bool:
    """Whether it holds `interval_reading`, as Data Connect and what is built on it answer."""
    return any(True for _ in _holders(contents.document, "interval_reading"))


def read_interface(contents: Contents) -> Readings:
    """Data Connect, MyElectricalData, Conso API: mean W, legal time, stamped with the **end** of the step.

    Raises:
        MeterFileError: daily values, production, two homes, or a row that cannot be read.
    """
    column = Column()
    for holder in _holders(contents.document, "interval_reading"):
        kind = holder.get("reading_type")
        kind = kind if isinstance(kind, Mapping) else {}
        _refuse_kind(holder, kind)
        if holder.get("usage_point_id"):
            column.homes.add(str(holder["usage_point_id"]))
        milli_per_unit = _UNITS[str(kind.get("unit") or "W")]
        rows = holder["interval_reading"]
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, Mapping) or "date" not in row or "value" not in row:
                raise MeterFileError("a row of interval_reading has no date or no value")
            if len(str(row["date"]).strip()) == 10:
                raise MeterFileError(
                    "the file holds one value a day, not a load curve; ask for the load curve"
                )
            step = _MINUTES.fullmatch(str(row.get("interval_length") or kind.get("interval_length") or ""))
            column.add(row["date"], row["value"], milli_per_unit, int(step.group(1)) if step else 0)
    return column.readings("end")


def _refuse_kind(holder: Mapping[str, Any], kind: Mapping[str, Any]) -> None:
    words = " ".join(
        str(kind.get(key, "")) for key in ("flow_direction", "measurement_kind", "aggregate")
    ).lower()
    if (
        "production" in words
        or "reverse" in words
        or "production" in str(holder.get("flow_direction", "")).lower()
    ):
        raise MeterFileError("the file is of production, not of consumption; export the consumption")
    if "max" in words or str(kind.get("unit")) == "VA":
        raise MeterFileError("the file holds daily maxima of power, not a load curve; ask for the load curve")
    if str(kind.get("measuring_period")) == "P1D":
        raise MeterFileError("the file holds one value a day, not a load curve; ask for the load curve")
    if str(kind.get("unit") or "W") not in _UNITS:
        raise MeterFileError(f"the unit of a load curve is W, the file says {str(kind.get('unit'))[:20]!r}")


def is_browser(contents: Contents) -> bool:
    """Whether it holds rows of `dateDebut`, `dateFin` and `valeur`, as the operator's page receives them."""
    return any(True for _ in _holders(contents.document, "dateDebut", "valeur"))


def read_browser(contents: Contents) -> Readings:
    """Rows of the operator's page: legal time, start and end, energy in kWh.

    Raises:
        MeterFileError: a row that cannot be read.
    """
    column = Column()
    for row in _holders(contents.document, "dateDebut", "valeur"):
        step = step_between(row["dateDebut"], row["dateFin"]) if row.get("dateFin") else 0
        column.add(row["dateDebut"], row["valeur"], 1_000_000, step)
    return column.readings("start", is_energy=True)


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
