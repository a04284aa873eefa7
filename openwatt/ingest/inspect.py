"""What a document says and every reason not to publish it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from openwatt.domain.doubts import Expected, References, find_doubts
from openwatt.domain.reading import Doubt, Reading
from openwatt.domain.tariff import Tariff
from openwatt.ingest.declarations import SignedException, Source, expectations, recognise
from openwatt.ingest.readers import cre_csv as grid_csv
from openwatt.ingest.readers import rte_tempo as tempo_json
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from openwatt.ingest.readers.unreadable import UnreadableDocumentError

Outcome = Literal["published", "refused", "unreadable"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a run would make of a document: its outcome, what was read, the doubts, and those signed off.

    `published` means that a run would publish it: there is no doubt left. A table that
    somebody typed from a sheet is read `by_hand`.
    """

    source: Source | None
    outcome: Outcome
    reading: Reading
    doubts: tuple[Doubt, ...] = ()
    signed_off: tuple[tuple[Doubt, SignedException], ...] = ()
    reason: str | None = None
    tempo: tempo_json.TempoReading | None = None
    by_hand: bool = False

    def tariffs(self) -> list[Tariff]:
        """The complete tariffs read, right or doubtful."""
        return self.reading.tariffs()


def inspect_document(
    document: bytes,
    sources: Mapping[str, Source],
    references: References,
    *,
    on: dt.date,
    name: str | None = None,
) -> Inspection:
    """Read a document with its source and doubt it, on a day (for exceptions that end).

    Without a name the source is recognised by the document's own words; where
    none is, the general vocabulary reads it, and it stays refused for want of a
    source. It reads in this process: what comes from outside is read by
    `openwatt.ingest.sandbox`. Raises KeyError when the name is no source.
    """
    source = sources[name] if name is not None else _source_of_data(document, sources)
    try:
        if source is not None and source.format == "rte_tempo_json":
            tempo = tempo_json.read_tempo(document)
            outcome: Outcome = "refused" if tempo.faults else "published"
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
    doubts = find_doubts(reading, expectations(source) if source else Expected(), references)
    if source is None:
        message = "no source is recognised: name it with --source, or write its YAML"
        doubts.insert(0, Doubt(rule="source-unknown", message=message, where="whole document"))
    kept, signed = settle(doubts, source.exceptions if source else (), on)
    return Inspection(
        source=source,
        outcome="refused" if kept else "published",
        reading=reading,
        doubts=tuple(kept),
        signed_off=tuple(signed),
    )


def _source_of_data(document: bytes, sources: Mapping[str, Source]) -> Source | None:
    """The source of a document that is data, not pages, by its first bytes; None for any other."""
    if document.lstrip()[:1] == b"{":
        found = [source for source in sources.values() if source.format == "rte_tempo_json"]
    else:
        tables = [source for source in sources.values() if source.format == "cre_csv"]
        found = [source for source in tables if grid_csv.is_of(document, source)]
    return found[0] if len(found) == 1 else None


def settle(
    doubts: list[Doubt], exceptions: tuple[SignedException, ...], on: dt.date
) -> tuple[list[Doubt], list[tuple[Doubt, SignedException]]]:
    """Doubts that stand, and those that an exception in force on a day lets through.

    An exception covers a doubt of its rule whose place or message holds its words.
    """
    kept: list[Doubt] = []
    signed: list[tuple[Doubt, SignedException]] = []
    for doubt in doubts:
        exception = next(
            (
                e
                for e in exceptions
                if e.rule == doubt.rule and on <= e.until and e.what in f"{doubt.where} {doubt.message}"
            ),
            None,
        )
        if exception is None:
            kept.append(doubt)
        else:
            signed.append((doubt, exception))
    return kept, signed


def as_json(inspection: Inspection) -> bytes:
    """The inspection as JSON; amounts are numbers, digit for digit as they were read."""
    return _ENCODER.encode(as_mapping(inspection))


def as_mapping(inspection: Inspection) -> dict[str, Any]:
    """The inspection in the shape of its JSON, amounts as decimals."""
    answer: dict[str, Any] = {
        "source": inspection.source.name if inspection.source else None,
        "outcome": inspection.outcome,
        "tariffs": [_tariff_as_json(tariff) for tariff in inspection.tariffs()],
        "doubts": [_doubt_as_json(doubt) for doubt in inspection.doubts],
    }
    if inspection.reason is not None:
        answer["reason"] = inspection.reason
    if inspection.signed_off:
        answer["signed_off"] = [
            _doubt_as_json(doubt) | {"why": signed.why, "who": signed.who, "until": signed.until}
            for doubt, signed in inspection.signed_off
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
