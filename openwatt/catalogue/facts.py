"""The catalogue's other tables: documents, offers, Tempo colours, duties and the network's fixed part."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, get_args

from openwatt.catalogue import table
from openwatt.domain.announced_days import AnnouncedDays
from openwatt.domain.duties import DUTIES, SET_FOR_A_PERIOD, DatedRate, TurpeFixedPart
from openwatt.domain.tariff import OPTIONS, Colour, NoPrice, SourceKind

COLOURS: tuple[Colour, ...] = get_args(Colour)
KINDS: tuple[SourceKind, ...] = get_args(SourceKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDocument:
    """A document from which facts of the catalogue were taken.

    `seen_on` is the first day on which the document is known to have existed: the
    later of the day its prices begin and the day it was made. `url` and
    `document_sha256` are None where they are not known.
    """

    id: str
    kind: SourceKind
    title: str
    url: str | None
    document_sha256: str | None
    seen_on: dt.date
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueOffer:
    """An offer of a supplier; `regulated` when public authorities set its price.

    `no_price` says why an offer is listed without one.
    """

    supplier: str
    offer: str
    regulated: bool
    url: str | None
    note: str | None
    no_price: NoPrice | None

    def __str__(self) -> str:
        return f"{self.supplier} {self.offer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueTempoDay:
    """The colour of the Tempo day that begins at 06:00 on `date`; a `note` says when sources disagree."""

    date: dt.date
    colour: Colour
    sources: tuple[str, ...]
    note: str | None


def read_sources(file: table.Table) -> tuple[CatalogueDocument, ...]:
    """Reads the documents of a CSV file. Raises CatalogueError with every fault."""
    columns = {
        "id": table.source_id,
        "kind": table.one_of(KINDS),
        "title": table.text,
        "url": table.optional(table.web_address),
        "document_sha256": table.optional(_sha256),
        "seen_on": table.day,
        "note": table.optional(table.text),
    }
    return table.read_table(
        file, columns, lambda cells: CatalogueDocument(**cells), table.once(lambda source: source.id)
    )


def read_offers(file: table.Table) -> tuple[CatalogueOffer, ...]:
    """Reads the offers of a CSV file. Raises CatalogueError with every fault."""
    columns = {
        "supplier": table.text,
        "offer": table.text,
        "regulated": table.flag,
        "url": table.optional(table.web_address),
        "note": table.optional(table.text),
        "no_price": table.optional(table.one_of(get_args(NoPrice))),
    }
    return table.read_table(file, columns, lambda cells: CatalogueOffer(**cells), table.once(str))


def read_tempo_colours(file: table.Table) -> tuple[CatalogueTempoDay, ...]:
    """Reads the Tempo colours of a CSV file, a day each. Raises CatalogueError with every fault."""
    columns = {
        "date": table.day,
        "colour": table.one_of(COLOURS),
        "source": table.source_ids,
        "note": table.optional(table.text),
    }

    def build(cells: dict[str, Any]) -> CatalogueTempoDay:
        return CatalogueTempoDay(sources=cells.pop("source"), **cells)

    return table.read_table(file, columns, build, table.once(lambda day: day.date))


def read_announced_days(file: table.Table) -> tuple[AnnouncedDays, ...]:
    """Reads the days that suppliers announced of a CSV file. Raises CatalogueError with every fault."""
    columns = {
        "option": table.one_of(OPTIONS),
        "first_day": table.day,
        "last_day": table.day,
        "word": table.text,
        "source": table.source_ids,
        "note": table.optional(table.text),
    }

    def build(cells: dict[str, Any]) -> AnnouncedDays:
        del cells["note"]
        if cells["last_day"] < cells["first_day"]:
            raise ValueError(f"last_day {cells['last_day']} is before first_day {cells['first_day']}")
        return AnnouncedDays(sources=cells.pop("source"), **cells)

    return table.read_table(
        file, columns, build, table.once(lambda one: f"{one.option} from {one.first_day} to {one.last_day}")
    )


def read_rates(file: table.Table) -> tuple[DatedRate, ...]:
    """Reads the rates of duties of a CSV file. Raises CatalogueError with every fault.

    An end, or a beginning, that is not known is written `open`: a cell left
    empty is a fault. So is an open end of a duty that texts set for one period.
    """
    columns = {
        "duty": table.one_of(DUTIES),
        "unit": table.one_of(dict.fromkeys(DUTIES.values())),
        "applies_from": table.or_open(table.day),
        "applies_to": table.or_open(table.day),
        "value": table.number,
        "implied": table.flag,
        "source": table.source_ids,
        "note": table.optional(table.text),
    }

    def build(cells: dict[str, Any]) -> DatedRate:
        del cells["note"]
        rate = DatedRate(**cells | {"source": " ".join(cells["source"])})
        if rate.unit != DUTIES[rate.duty]:
            raise ValueError(f"unit of {rate.duty} is {DUTIES[rate.duty]}, not {rate.unit}")
        if rate.applies_to is None and rate.duty in SET_FOR_A_PERIOD:
            raise ValueError(f"applies_to of {rate.duty} is open, its texts set it for one period")
        return rate

    return table.read_table(file, columns, build, _ONE_RATE_A_DAY)


def read_turpe(file: table.Table) -> tuple[TurpeFixedPart, ...]:
    """Reads the fixed parts of the network tariff of a CSV file. Raises CatalogueError with every fault."""
    columns = {
        "formula": table.text,
        "power_kva": table.whole,
        "applies_from": table.or_open(table.day),
        "applies_to": table.day,
        "fixed_eur_per_year_ht": table.number,
        "implied": table.flag,
        "source": table.source_ids,
        "note": table.optional(table.text),
    }

    def build(cells: dict[str, Any]) -> TurpeFixedPart:
        del cells["note"]
        return TurpeFixedPart(**cells | {"source": " ".join(cells["source"])})

    return table.read_table(file, columns, build, _ONE_AMOUNT_A_DAY)


def _sha256(cell: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", cell):
        raise ValueError(f"{cell!r} is not a SHA-256 in 64 hexadecimal digits")
    return cell


_ONE_RATE_A_DAY: table.TableCheck[DatedRate] = table.one_value_a_day(
    lambda rate: rate.duty, lambda rate: (rate.applies_from, rate.applies_to)
)
_ONE_AMOUNT_A_DAY: table.TableCheck[TurpeFixedPart] = table.one_value_a_day(
    lambda part: f"{part.formula} {part.power_kva} kVA", lambda part: (part.applies_from, part.applies_to)
)
