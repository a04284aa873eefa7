"""The inspection of a document: what it says and every reason not to publish it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from openwatt.domain.doubts import Expected, References, find_doubts
from openwatt.domain.reading import Doubt, Reading
from openwatt.domain.tariff import Tariff
from openwatt.ingest.declarations import SourceDeclaration, Waiver, expectations, recognise
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.readers import cre_csv as grid_csv
from openwatt.ingest.readers import rte_tempo as tempo_json
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages

InspectionOutcome = Literal["published", "refused", "unreadable"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a run would make of a document: its outcome, what was read, its doubts and those waived.

    `published` means that a run would publish it: there is no doubt left. `manual_entry`
    is set for a table that somebody typed from a sheet.
    """

    source: SourceDeclaration | None
    outcome: InspectionOutcome
    reading: Reading
    doubts: tuple[Doubt, ...] = ()
    waived: tuple[tuple[Doubt, Waiver], ...] = ()
    reason: str | None = None
    tempo: tempo_json.TempoReading | None = None
    manual_entry: bool = False

    def tariffs(self) -> list[Tariff]:
        """Returns the complete tariffs that were read, right or doubtful."""
        return self.reading.tariffs()


def inspect_document(
    document: bytes,
    sources: Mapping[str, SourceDeclaration],
    references: References,
    *,
    on: dt.date,
    name: str | None = None,
) -> Inspection:
    """Reads a document with its source and checks it, on a day (for waivers that end).

    Without a name the source is recognised by the document's own words; where
    none is, the general vocabulary reads it, and it stays refused for want of a
    source. It reads in this process: what comes from outside is read by
    `openwatt.ingest.sandbox`. Raises KeyError when the name is no source.
    """
    source = sources[name] if name is not None else _source_of_data(document, sources)
    try:
        if source is not None and source.format == "rte_tempo_json":
            tempo = tempo_json.read_tempo(document)
            outcome: InspectionOutcome = "refused" if tempo.faults else "published"
            return Inspection(
                source=source, outcome=outcome, reading=Reading(lines=()), doubts=tempo.faults, tempo=tempo
            )
        if source is not None and source.format == "cre_csv":
            reading = grid_csv.read_csv(document, source)
        else:
            pages = read_pages(document)
            source = source or recognise(" ".join(page.text for page in pages), sources.values())
            reading = read_sheet(pages, source)
    except UnreadableDocumentError as error:
        return Inspection(source=source, outcome="unreadable", reading=Reading(lines=()), reason=str(error))
    return check_reading(reading, source, references, on=on)


def check_reading(
    reading: Reading,
    source: SourceDeclaration | None,
    references: References,
    *,
    on: dt.date,
    manual_entry: bool = False,
) -> Inspection:
    """Checks what was read of a document and applies the waivers of its source that are in force on a day."""
    doubts = find_doubts(reading, expectations(source) if source else Expected(), references)
    if source is None:
        message = "no source is recognised: name it with --source, or write its YAML"
        doubts.insert(0, Doubt(rule="source-unknown", message=message, where="whole document"))
    standing, waived = apply_waivers(doubts, source.waivers if source else (), on)
    return Inspection(
        source=source,
        outcome="refused" if standing else "published",
        reading=reading,
        doubts=tuple(standing),
        waived=tuple(waived),
        manual_entry=manual_entry,
    )


def _source_of_data(document: bytes, sources: Mapping[str, SourceDeclaration]) -> SourceDeclaration | None:
    """The source of a document that is data, not pages, by its first bytes; None for any other."""
    if document.lstrip()[:1] == b"{":
        found = [source for source in sources.values() if source.format == "rte_tempo_json"]
    else:
        tables = [source for source in sources.values() if source.format == "cre_csv"]
        found = [source for source in tables if grid_csv.is_of(document, source)]
    return found[0] if len(found) == 1 else None


def apply_waivers(
    doubts: list[Doubt], waivers: tuple[Waiver, ...], on: dt.date
) -> tuple[list[Doubt], list[tuple[Doubt, Waiver]]]:
    """Divides doubts into those that stand on a day and those that a waiver in force lets through.

    A waiver covers a doubt of its rule whose place or message holds its words.
    """
    standing: list[Doubt] = []
    waived: list[tuple[Doubt, Waiver]] = []
    for doubt in doubts:
        place = f"{doubt.where} {doubt.message}"
        covering = (w for w in waivers if w.rule == doubt.rule and on <= w.until and w.what in place)
        if waiver := next(covering, None):
            waived.append((doubt, waiver))
        else:
            standing.append(doubt)
    return standing, waived


def as_json(inspection: Inspection) -> bytes:
    """Encodes an inspection as JSON; amounts are numbers, digit for digit as they were read."""
    return _ENCODER.encode(as_mapping(inspection))


def as_mapping(inspection: Inspection) -> dict[str, Any]:
    """Gives an inspection the shape of its JSON, amounts as decimals."""
    answer: dict[str, Any] = {
        "source": inspection.source.name if inspection.source else None,
        "outcome": inspection.outcome,
        "tariffs": [_tariff_as_json(tariff) for tariff in inspection.tariffs()],
        "doubts": [_doubt_as_json(doubt) for doubt in inspection.doubts],
    }
    if inspection.reason is not None:
        answer["reason"] = inspection.reason
    if inspection.waived:
        answer["signed_off"] = [
            _doubt_as_json(doubt) | {"why": waiver.why, "who": waiver.who, "until": waiver.until}
            for doubt, waiver in inspection.waived
        ]
    if inspection.tempo is not None:
        answer["colours"] = {
            day.isoformat(): colour for day, colour in sorted(inspection.tempo.colours.items())
        }
    return answer


def _tariff_as_json(tariff: Tariff) -> dict[str, Any]:
    return {
        "supplier": tariff.supplier,
        "offer": tariff.offer,
        "option": tariff.option,
        "power_kva": tariff.power_kva,
        "applies_from": tariff.applies_from,
        "applies_to": tariff.applies_to,
        "subscription_eur_per_year_ht": tariff.subscription_eur_per_year_ht,
        "subscription_eur_per_year_ttc": tariff.subscription_eur_per_year_ttc,
        "prices_eur_per_kwh_ht": dict(tariff.prices_eur_per_kwh_ht),
        "prices_eur_per_kwh_ttc": dict(tariff.prices_eur_per_kwh_ttc),
        "closed_to_new_customers": tariff.closed_to_new_customers,
    }


def _doubt_as_json(doubt: Doubt) -> dict[str, Any]:
    return {"rule": doubt.rule, "message": doubt.message, "where": doubt.where}
