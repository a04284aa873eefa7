"""One look at one source: fetched, kept, read, doubted, and published in one transaction or not at all."""

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from openwatt.catalogue.references import known_references
from openwatt.domain.doubts import References
from openwatt.domain.legal_time import PARIS
from openwatt.domain.reading import Doubt
from openwatt.ingest.declarations import Source
from openwatt.ingest.fetching.client import FetchedDocument, NotModified
from openwatt.ingest.fetching.media import MediaKind
from openwatt.ingest.fetching.unreachable import UnreachableError
from openwatt.ingest.inspect import Inspection
from openwatt.ingest.publication import document_of, publish_inspection, reader_edition, run_of
from openwatt.ingest.readers.manual_table import is_typed_table, read_typed_table
from openwatt.ingest.readers.unreadable import UnreadableDocumentError
from openwatt.ingest.schedule import address_on
from openwatt.store.database import Connection
from openwatt.store.documents import KeptDocument, keep_content, kept_document
from openwatt.store.errors import CorrectionError, DatabaseAwayError
from openwatt.store.overrides import address_in_force
from openwatt.store.reviews import decision_on
from openwatt.store.runs import LastAnswer, Outcome, Run, last_answer, last_run, record_run
from openwatt.store.source_locks import source_lock
from openwatt.store.tariffs import regulated_history, see_document
from openwatt.telemetry.sentry import ErrorReports

logger = logging.getLogger(__name__)

#: What of a run is a success: the source's document was there and says what is published.
SUCCESSES: tuple[Outcome, ...] = ("published", "unchanged")

_KINDS: Mapping[str, MediaKind] = {"grid_pdf": "pdf", "cre_csv": "csv", "rte_tempo_json": "json"}


class Fetches(Protocol):
    """What fetches a document: `openwatt.ingest.fetching.client.Fetcher`."""

    def fetch(
        self,
        address: str,
        *,
        expects: MediaKind,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> FetchedDocument | NotModified:
        """The document, or the word that it is still the one last seen."""


class Inspects(Protocol):
    """What reads a document within limits: `openwatt.ingest.sandbox.DocumentSandbox`."""

    def inspect_document(
        self,
        document: bytes,
        sources: Mapping[str, Source],
        references: References,
        *,
        on: dt.date,
        name: str | None = None,
    ) -> Inspection:
        """What the document says and every doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of one look at a source; `outcome` is None when another process was just at it.

    `tariffs` were read (for RTE days), `published` of them changed something.
    """

    source: Source
    outcome: Outcome | None
    message: str | None = None
    doubts: tuple[Doubt, ...] = ()
    tariffs: int = 0
    published: int = 0
    sha256: str | None = None
    run_id: int | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class _Found:
    """What a look has in hand so far: it says where an unexpected fault happened, too."""

    started_at: dt.datetime
    origin: Any = "address"
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    document: KeptDocument | None = None
    inspection: Inspection | None = None
    answer: LastAnswer | None = None
    message: str | None = None

    @property
    def sha256(self) -> str | None:
        return self.document.sha256 if self.document else None

    def run(self, source: Source, outcome: Outcome, finished_at: dt.datetime, published: int = 0) -> Run:
        return run_of(
            source,
            outcome,
            origin=self.origin,
            started_at=self.started_at,
            finished_at=max(finished_at, self.started_at),
            document=self.document,
            inspection=self.inspection,
            published=published,
            message=self.message,
            address=self.address,
            etag=self.etag,
            last_modified=self.last_modified,
        )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(kw_only=True)
class Ingestion:
    """Looks at sources, one after another, over one connection of its own.

    With `dry_run` everything is done and then taken back: the looks say what would have
    come of it. `reports` is told of every fault of ours and of every look.
    """

    connection: Connection
    sources: Mapping[str, Source]
    fetcher: Fetches
    inspector: Inspects
    clock: Callable[[], dt.datetime] = _now
    dry_run: bool = False
    reports: ErrorReports | None = None
    _references: References | None = field(default=None, init=False)

    def look(self, source: Source, *, given: bytes | None = None, since: dt.datetime | None = None) -> Look:
        """One look at a source, or at a document of it that is given, under the source's lock.

        With `since` there is none where another process has looked after that instant.
        It always ends in an outcome: a fault of ours is recorded as `unreadable` with
        its trace in the log.

        Raises:
            DatabaseAwayError: the connection is lost; nothing of the look is kept.
        """
        began = time.monotonic()
        try:
            with source_lock(self.connection, source.name) as held:
                if not held:
                    look = Look(source=source, outcome=None, message="another process is just at it")
                elif since is not None and self._was_looked_at(source, since):
                    look = Look(source=source, outcome=None, message="another process has just looked at it")
                else:
                    look = self._watched(source, given)
        except Exception as error:
            if self.connection.closed:
                raise DatabaseAwayError(f"the database has gone during a look: {error}") from error
            raise
        look = replace(look, seconds=time.monotonic() - began)
        _log(look, dry_run=self.dry_run)
        return look

    def _was_looked_at(self, source: Source, since: dt.datetime) -> bool:
        last = last_run(self.connection, source.name)
        return last is not None and last.finished_at > since

    def _watched(self, source: Source, given: bytes | None) -> Look:
        """A look with its check-in: Sentry tells when one fails, and when none comes."""
        if self.reports is None or self.dry_run or given is not None:
            return self._look(source, given)
        check_in = self.reports.begin_check_in(f"ingest-{source.name}", every_days=source.cadence_days)
        good = False
        try:
            look = self._look(source, given)
            good = look.outcome in SUCCESSES
        finally:
            self.reports.end_check_in(check_in, good=good)
        return look

    def _look(self, source: Source, given: bytes | None) -> Look:
        found = _Found(started_at=self.clock())
        try:
            return self._settled(source, found, given)
        except Exception as error:
            if self.connection.closed:
                raise
            logger.exception("ingest failed", extra={"source": source.name})
            if self.reports is not None:
                self.reports.report_exception(None, error)
            found.inspection = None
            found.message = f"a fault of OpenWatt ({type(error).__name__}: {error}); its trace is in the log"
            return self._end_after_fault(source, found)

    def _end_after_fault(self, source: Source, found: _Found) -> Look:
        """Records what can be recorded; where even that fails, the look says so and the others go on."""
        try:
            return self._end(source, found, "unreadable")
        except Exception:
            if self.connection.closed:
                raise
            logger.exception("ingest could not be recorded", extra={"source": source.name})
            return Look(source=source, outcome="unreadable", message=found.message)

    def _settled(self, source: Source, found: _Found, given: bytes | None) -> Look:
        try:
            if given is None:
                self._ask(source, found)
            else:
                found.origin = "file"
                found.document = document_of(source, given, url=None)
        except UnreachableError as error:
            found.message = str(error)
            return self._end(source, found, "unreachable")
        except UnreadableDocumentError as error:
            found.message = str(error)
            return self._end(source, found, "unreadable")
        if self._says_nothing_new(source, found):
            return self._end(source, found, "unchanged")
        found.inspection = inspection = self._read(source, found)
        outcome = self._decided(source, found, inspection.outcome)
        if outcome == "published":
            return self._publish(source, found, inspection)
        return self._end(source, found, outcome)

    def _decided(self, source: Source, found: _Found, outcome: Outcome) -> Outcome:
        """What comes of a reading; where a person has decided on these bytes, that holds."""
        decision = decision_on(self.connection, source.name, found.sha256)
        if decision is None:
            return outcome
        found.message = f"these bytes were {decision.decision} by {decision.reviewer}: {decision.reason}"
        if decision.decision == "rejected":
            return "refused" if outcome == "published" else outcome
        return "unchanged" if outcome == "refused" else outcome

    def _ask(self, source: Source, found: _Found) -> None:
        """Fetches the document, or takes the kept one when the address says that it is still the same."""
        today = found.started_at.astimezone(PARIS).date()
        address = address_in_force(self.connection, source.name, today) or source.address
        if address is None:
            raise UnreachableError(
                f"the source has no address: hand its document in with --file ({source.note})"
            )
        found.address = address_on(address, today)
        answer = last_answer(self.connection, source.name)
        kept = kept_document(self.connection, answer.document) if answer else None
        if answer is None or kept is None or kept.content is None or answer.address != found.address:
            asked: tuple[str | None, str | None] = (None, None)
        else:
            asked = (answer.etag, answer.last_modified)
        fetched = self.fetcher.fetch(
            found.address, expects=_KINDS[source.format], etag=asked[0], last_modified=asked[1]
        )
        found.etag, found.last_modified = fetched.etag, fetched.last_modified
        if isinstance(fetched, FetchedDocument):
            found.document = document_of(source, fetched.content, url=found.address)
        else:
            found.document = kept
        if answer is not None and found.document is not None and answer.document == found.document.reference:
            found.answer = answer

    def _says_nothing_new(self, source: Source, found: _Found) -> bool:
        """Whether the same reader has read these same bytes well at the last look.

        Bytes that were refused are read again at each look: the doubt may have been about
        something that is known by now. If it stands, they stay refused.
        """
        answer = found.answer
        return answer is not None and answer.outcome in SUCCESSES and answer.reader == reader_edition(source)

    def _read(self, source: Source, found: _Found) -> Inspection:
        document, references = found.document, self._known_references()
        if document is None or document.content is None:
            raise LookupError("a document without its bytes")
        on = found.started_at.astimezone(PARIS).date()
        if found.origin == "file" and is_typed_table(document.content):
            return read_typed_table(document.content, source, references, on=on)
        return self.inspector.inspect_document(
            document.content, self.sources, references, on=on, name=source.name
        )

    def _publish(self, source: Source, found: _Found, inspection: Inspection) -> Look:
        try:
            return self._end(source, found, "published", inspection)
        except CorrectionError as error:
            doubt = Doubt(rule="layout", message=str(error), where="whole document")
            found.inspection = replace(inspection, outcome="refused", doubts=(doubt,))
            return self._end(source, found, "refused")

    def _end(
        self, source: Source, found: _Found, outcome: Outcome, inspection: Inspection | None = None
    ) -> Look:
        """One transaction: the document, what is published of it, the run, the sighting."""
        observed_at = max(self.clock(), found.started_at)
        published, document = 0, found.document
        with self.connection.transaction(force_rollback=self.dry_run):
            if document is not None:
                keep_content(self.connection, document)
            if inspection is not None and document is not None:
                published = publish_inspection(
                    self.connection, source, inspection, document=document, observed_at=observed_at
                )
                outcome = "published" if published else "unchanged"
            run = found.run(source, outcome, observed_at, published)
            run_id = record_run(self.connection, run)
            if document is not None and outcome in SUCCESSES:
                see_document(self.connection, document.reference, observed_at, run_id)
        if published and source.regulated and not self.dry_run:
            self._references = None
        read = found.inspection
        return Look(
            source=source,
            outcome=outcome,
            message=run.detail["message"],
            doubts=read.doubts if read else (),
            tariffs=run.detail.get("read", 0),
            published=published,
            sha256=found.sha256,
            run_id=None if self.dry_run else run_id,
        )

    def _known_references(self) -> References:
        """The regulated tariff of now: what a look has published counts for the next one."""
        if self._references is None:
            self._references = known_references(regulated_history(self.connection))
        return self._references


def _log(look: Look, *, dry_run: bool) -> None:
    """The one record of a look."""
    level = logging.INFO if look.outcome in (*SUCCESSES, None) else logging.WARNING
    extra: dict[str, Any] = {
        "source": look.source.name,
        "supplier": look.source.supplier,
        "outcome": look.outcome or "held",
        "tariffs": look.tariffs,
        "doubts": len(look.doubts),
        "duration_ms": round(look.seconds * 1000, 1),
    }
    if look.sha256:
        extra["document"] = look.sha256
    if look.run_id is not None:
        extra["run"] = str(look.run_id)
    if look.message or look.doubts:
        extra["reason"] = look.message or "; ".join(f"{one.rule}: {one.message}" for one in look.doubts[:3])
    logger.log(level, "ingest tried" if dry_run else "ingest finished", extra=extra)
