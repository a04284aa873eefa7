"""The reader of RTE's Tempo colours: an unordered mapping of days, which marks those that are a fallback."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

from openwatt.domain.reading import Doubt
from openwatt.domain.tariff import Colour
from openwatt.ingest.errors import UnreadableDocumentError

#: RTE's word → the colour of the field.
COLOURS: Mapping[str, Colour] = {"BLUE": "BLEU", "WHITE": "BLANC", "RED": "ROUGE"}

_FALLBACK = "-fallback"
#: One answer holds a season; ten seasons are another document.
_MAX_DAYS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoReading:
    """Colours by the day that begins at 06:00; `fallback` holds the days that RTE filled in itself.

    A day that the answer leaves out, or whose colour is unknown, is in neither:
    it is never guessed. `faults` says which were not understood.
    """

    colours: Mapping[dt.date, Colour]
    fallback: frozenset[dt.date]
    faults: tuple[Doubt, ...] = ()


def read_tempo(document: bytes) -> TempoReading:
    """Reads the colours of one response.

    Raises:
        UnreadableDocumentError: no JSON object with `values`.
    """
    try:
        answer = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise UnreadableDocumentError("the bytes are no JSON") from error
    values = answer.get("values") if isinstance(answer, dict) else None
    if not isinstance(values, dict):
        raise UnreadableDocumentError("the answer holds no « values »")
    if len(values) > 2 * _MAX_DAYS:
        raise UnreadableDocumentError(f"{len(values)} values, a season has at most 732")
    colours: dict[dt.date, Colour] = {}
    fallback: set[dt.date] = set()
    faults = []
    for key, value in sorted(values.items()):
        try:
            day = dt.date.fromisoformat(key.removesuffix(_FALLBACK))
        except ValueError:
            faults.append(Doubt(rule="layout", message=f"« {key} » is no day", where=key))
            continue
        if key.endswith(_FALLBACK):
            if value == "true":
                fallback.add(day)
            elif value != "false":
                faults.append(
                    Doubt(rule="layout", message=f"« {value} » is neither true nor false", where=key)
                )
        elif value in COLOURS:
            colours[day] = COLOURS[value]
        else:
            faults.append(
                Doubt(rule="layout", message=f"« {value} » is no colour: ask RTE, do not guess", where=key)
            )
    return TempoReading(colours=colours, fallback=frozenset(fallback), faults=tuple(faults))
