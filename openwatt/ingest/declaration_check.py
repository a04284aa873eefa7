"""The check of a source's file before it is added: its own faults, and what a document still wants of it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwatt.domain.doubts import References
from openwatt.ingest.declarations import SourceDeclaration, keys_to_complete, recognise
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.inspection import Inspection, as_mapping
from openwatt.ingest.readers.manual_table import is_typed_table, read_typed_table
from openwatt.ingest.sandbox import DocumentSandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationCheck:
    """What is still wanting of a source's file, in itself and for a document."""

    source: SourceDeclaration
    to_complete: tuple[str, ...] = ()
    missing_phrases: tuple[str, ...] = ()
    recognised_by: str | None = None
    inspection: Inspection | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the file can be added as it is."""
        published = self.inspection is None or self.inspection.outcome == "published"
        return published and not (self.to_complete or self.missing_phrases or self.recognised_by)

    def as_mapping(self) -> dict[str, Any]:
        """The shape of its JSON; the document's part is that of `openwatt inspect --json`."""
        answer: dict[str, Any] = {
            "source": self.source.name,
            "complete": self.is_complete,
            "faults": [],
            "to_complete": list(self.to_complete),
        }
        if self.inspection is not None:
            answer["missing_phrases"] = list(self.missing_phrases)
            answer["recognised_by"] = self.recognised_by
            answer["unknown_headers"] = list(self.inspection.reading.unknown_headers)
            answer["document"] = as_mapping(self.inspection)
        return answer


def check_declaration(
    source: SourceDeclaration,
    document: bytes | None,
    shipped: Mapping[str, SourceDeclaration],
    references: References,
    *,
    on: dt.date,
) -> DeclarationCheck:
    """Checks a declaration, with a document that it should read where there is one.

    `shipped` are the sources that must not recognise the same document. It is read in the sandbox.
    """
    unset = tuple(keys_to_complete(source))
    if document is None:
        return DeclarationCheck(source=source, to_complete=unset)
    if is_typed_table(document):
        inspection = read_typed_table(document, source, references, on=on)
        return DeclarationCheck(source=source, to_complete=unset, inspection=inspection)
    sources = {source.name: source}
    with DocumentSandbox() as inspector:
        inspection = inspector.inspect_document(document, sources, references, on=on, name=source.name)
        if source.format != "grid_pdf" or inspection.outcome == "unreadable":
            return DeclarationCheck(source=source, to_complete=unset, inspection=inspection)
        try:
            text = " ".join(page.text for page in inspector.read_pages(document))
        except UnreadableDocumentError:
            text = ""
    squeezed = text.replace(" ", "")
    others = {name: other for name, other in shipped.items() if name != source.name}
    other = recognise(text, others.values())
    return DeclarationCheck(
        source=source,
        to_complete=unset,
        missing_phrases=tuple(p for p in source.recognise if p.replace(" ", "") not in squeezed),
        recognised_by=other.name if other else None,
        inspection=inspection,
    )
