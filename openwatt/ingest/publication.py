"""The publication of a reading without doubts, and the run that records it."""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from openwatt import __version__
from openwatt.domain.tariff import Tariff
from openwatt.ingest.declarations import MEDIA_KINDS, SourceDeclaration
from openwatt.ingest.fetching.media import MEDIA_TYPES
from openwatt.ingest.inspection import Inspection, as_mapping
from openwatt.store.database import Connection
from openwatt.store.documents import StoredDocument
from openwatt.store.other_side import with_other_side
from openwatt.store.runs import Origin, Outcome, Run
from openwatt.store.tariffs import Observation, PublishedTariff, SourceDocument, known_tariffs, publish
from openwatt.store.tempo import ColourObservation, publish_colours

#: Format → the modules of this package that take figures from a document of it.
_READERS = {
    "grid_pdf": ("figures.py", "grid_pdf"),
    "cre_csv": ("cre_csv.py",),
    "rte_tempo_json": ("rte_tempo.py",),
}
#: What the catalogue's CSV format is read by, when a sheet without text was typed by hand.
MANUAL = "manual"

TariffKey = tuple[str, str, int, dt.date]


def publish_inspection(
    connection: Connection,
    source: SourceDeclaration,
    inspection: Inspection,
    *,
    document: SourceDocument,
    observed_at: dt.datetime,
) -> int:
    """Publishes what a document says, inside the caller's transaction; returns how many facts changed.

    The document's bytes are stored before, by `store.documents.store_content`. Where two
    documents state one regulated tariff, each a side of it, the other side stays.

    Raises:
        CorrectionError: when the document gives one contract two prices on one day.
    """
    if inspection.tempo is not None:
        tempo = inspection.tempo
        return publish_colours(
            connection,
            (
                ColourObservation(day, observed_at, colour, document, _note(day, tempo.fallback))
                for day, colour in sorted(tempo.colours.items())
            ),
        )
    known: Mapping[TariffKey, PublishedTariff] = {}
    if source.regulated:
        offers = [offer.name for offer in source.offers]
        known = {_contract(one.tariff): one for one in known_tariffs(connection, source.supplier, offers)}
    return publish(connection, _observations(source, inspection, known, document, observed_at))


def _note(day: dt.date, fallback: frozenset[dt.date]) -> str | None:
    return "filled in by RTE for want of a published colour" if day in fallback else None


def _contract(tariff: Tariff) -> TariffKey:
    return tariff.offer, tariff.option, tariff.power_kva, tariff.applies_from


def _observations(
    source: SourceDeclaration,
    inspection: Inspection,
    known: Mapping[TariffKey, PublishedTariff],
    document: SourceDocument,
    observed_at: dt.datetime,
) -> Iterator[Observation]:
    reader = reader_name(source, inspection)
    for tariff in inspection.tariffs():
        other = known.get(_contract(tariff))
        merged, ttc_document, ht_document = with_other_side(tariff, document, other)
        stays = other if other is not None and ttc_document is not document else None
        yield Observation(
            tariff=merged,
            observed_at=observed_at,
            document=ttc_document,
            ht_document=ht_document,
            reader=reader,
            regulated=source.regulated,
            offer_url=source.address,
            sheet_url=stays.sheet_url if stays else None,
            confidence=stays.confidence if stays else None,
        )


def make_document(source: SourceDeclaration, content: bytes, *, url: str | None) -> StoredDocument:
    """Makes the document of a source, identified by the hash of its bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    offers = ", ".join(offer.name for offer in source.offers)
    kind = MEDIA_KINDS.get(source.format)
    if kind == "pdf" and not content.startswith(b"%PDF"):  # typed by hand
        kind = None
    return StoredDocument(
        reference=f"sha256:{sha256}",
        kind=source.kind,
        title=f"{source.supplier}, {offers}" if offers else f"{source.supplier}, {source.name}",
        url=url,
        sha256=sha256,
        media_type=MEDIA_TYPES[kind] if kind else None,
        content=content,
    )


def reader_name(source: SourceDeclaration, inspection: Inspection | None = None) -> str:
    """The reader of a source's documents, with the product's version: `grid_pdf 0.1.0`."""
    manual_entry = inspection is not None and inspection.manual_entry
    return f"{MANUAL if manual_entry else source.format} {__version__}"


def reader_edition(source: SourceDeclaration) -> str:
    """The reader's name with a hash of its code and the source's file: another one may read otherwise."""
    hashed = hashlib.sha256(repr(source).encode() + _code_of(source.format))
    return f"{reader_name(source)} {hashed.hexdigest()[:12]}"


@cache
def _code_of(form: str) -> bytes:
    """A hash of the modules that read a format."""
    hashed = hashlib.sha256()
    for name in _READERS.get(form, ()):
        for path in _modules(files("openwatt.ingest.readers") / name):
            hashed.update(path.read_bytes())
    return hashed.digest()


def _modules(place: Traversable) -> list[Traversable]:
    if place.is_file():
        return [place]
    return sorted((one for one in place.iterdir() if one.name.endswith(".py")), key=lambda one: one.name)


def make_run(
    source: SourceDeclaration,
    outcome: Outcome,
    *,
    started_at: dt.datetime,
    finished_at: dt.datetime,
    origin: Origin = "address",
    document: SourceDocument | None = None,
    inspection: Inspection | None = None,
    published: int = 0,
    message: str | None = None,
    **answer: str | None,
) -> Run:
    """Makes the run of a source that is recorded; `answer` is its address, etag and last_modified.

    Only what prints prices with all taxes tells of its offers' state: the regulator's
    data without taxes comes weeks late, and the supplier's own sheet says more. What was
    read is stored with a refused run alone, for whoever reviews it; else it is published.
    """
    detail: dict[str, Any] = {
        "message": message,
        "doubts": [],
        "tariffs": [],
        "published": published,
        "cadence_days": source.cadence_days,
    }
    if inspection is not None:
        read = as_mapping(inspection)
        detail["message"] = message or inspection.reason
        detail["read"] = len(read["tariffs"]) + len(read.get("colours", {}))
        detail |= {key: read[key] for key in ("doubts", "signed_off") if key in read}
        if outcome == "refused":
            detail |= {key: read[key] for key in ("tariffs", "colours") if key in read}
    return Run(
        source=source.name,
        supplier=source.supplier,
        offers=tuple(offer.name for offer in source.offers) if "TTC" in source.taxes else (),
        outcome=outcome,
        origin=origin,
        started_at=started_at,
        finished_at=finished_at,
        document=document.reference if document else None,
        reader=reader_edition(source),
        detail=detail,
        **answer,
    )
