"""The run of a source: its document is fetched, stored, read, checked, and published whole or not at all."""

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
from openwatt.ingest.declarations import MEDIA_KINDS, SourceDeclaration
from openwatt.ingest.errors import UnreachableError, UnreadableDocumentError
from openwatt.ingest.fetching.client import FetchedDocument, NotModified
from openwatt.ingest.fetching.media import MediaKind
from openwatt.ingest.inspection import Inspection
from openwatt.ingest.publication import make_document, make_run, publish_inspection, reader_edition
from openwatt.ingest.readers.manual_table import is_typed_table, read_typed_table
from openwatt.ingest.schedule import fill_in_season
from openwatt.store.database import Connection
from openwatt.store.documents import StoredDocument, find_document, store_content
from openwatt.store.errors import CorrectionError, DatabaseUnavailableError
from openwatt.store.overrides import address_in_force
from openwatt.store.reviews import decision_on
from openwatt.store.runs import LastAnswer, Outcome, Run, last_answer, last_run, record_run
from openwatt.store.source_locks import source_lock
from openwatt.store.tariffs import record_sighting, regulated_history
from openwatt.telemetry.sentry import ErrorReports

logger = logging.getLogger(__name__)

#: The outcomes that count as success: the source's document was there and says what is published.
SUCCESSES: tuple[Outcome, ...] = ("published", "unchanged")


class DocumentFetcher(Protocol):
    """Fetches a document: `openwatt.ingest.fetching.client.Fetcher`."""

    def fetch(
        self,
        address: str,
        *,
        expects: MediaKind,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> FetchedDocument | NotModified:
        """Returns the document, or that it has not changed since its validators were given."""


class DocumentInspector(Protocol):
    """Reads a document within limits: `openwatt.ingest.sandbox.DocumentSandbox`."""

    def inspect_document(
        self,
        document: bytes,
        sources: Mapping[str, SourceDeclaration],
        references: References,
        *,
        on: dt.date,
        name: str | None = None,
    ) -> Inspection:
        """Returns what the document says and every doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of one run of a source; `outcome` is None when another process was running it.

    `tariffs` were read (for RTE days), `published` of them changed something.
    """

    source: SourceDeclaration
    outcome: Outcome | None
    message: str | None = None
    doubts: tuple[Doubt, ...] = ()
    tariffs: int = 0
    published: int = 0
    sha256: str | None = None
    run_id: int | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class _RunState:
    """What a run knows so far; it tells where an unexpected fault happened, too."""

    started_at: dt.datetime
    origin: Any = "address"
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    document: StoredDocument | None = None
    inspection: Inspection | None = None
    answer: LastAnswer | None = None
    message: str | None = None

    @property
    def sha256(self) -> str | None:
        return self.document.sha256 if self.document else None

    def run(
        self, source: SourceDeclaration, outcome: Outcome, finished_at: dt.datetime, published: int = 0
    ) -> Run:
        return make_run(
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
    """Runs sources, one after another, over one connection of its own.

    With `dry_run` everything is done and rolled back: the results say what would have
    been published. `reports` receives every fault of ours and a check-in for every run.
    """

    connection: Connection
    sources: Mapping[str, SourceDeclaration]
    fetcher: DocumentFetcher
    inspector: DocumentInspector
    clock: Callable[[], dt.datetime] = _now
    dry_run: bool = False
    reports: ErrorReports | None = None
    _references: References | None = field(default=None, init=False)

    def run(
        self, source: SourceDeclaration, *, file: bytes | None = None, since: dt.datetime | None = None
    ) -> RunResult:
        """Runs a source under its lock, on its address or on the content of a `file` of it.

        With `since` nothing is done where another process has run it after that instant.
        A run always ends in an outcome: a fault of ours is recorded as `unreadable` with
        its trace in the log.

        Raises:
            DatabaseUnavailableError: the connection is lost; nothing of the run is stored.
        """
        began = time.monotonic()
        try:
            with source_lock(self.connection, source.name) as held:
                if not held:
                    result = RunResult(source=source, outcome=None, message="another process is just at it")
                elif since is not None and self._has_run_since(source, since):
                    result = RunResult(
                        source=source, outcome=None, message="another process has just looked at it"
                    )
                else:
                    result = self._run_with_check_in(source, file)
        except Exception as error:
            if self.connection.closed:
                raise DatabaseUnavailableError(f"the database has gone during a look: {error}") from error
            raise
        result = replace(result, seconds=time.monotonic() - began)
        _log(result, dry_run=self.dry_run)
        return result

    def _has_run_since(self, source: SourceDeclaration, since: dt.datetime) -> bool:
        last = last_run(self.connection, source.name)
        return last is not None and last.finished_at > since

    def _run_with_check_in(self, source: SourceDeclaration, file: bytes | None) -> RunResult:
        """Runs a source with a check-in, by which Sentry reports a run that fails or does not come."""
        if self.reports is None or self.dry_run or file is not None:
            return self._run_to_outcome(source, file)
        check_in = self.reports.begin_check_in(f"ingest-{source.name}", every_days=source.cadence_days)
        good = False
        try:
            result = self._run_to_outcome(source, file)
            good = result.outcome in SUCCESSES
        finally:
            self.reports.end_check_in(check_in, good=good)
        return result

    def _run_to_outcome(self, source: SourceDeclaration, file: bytes | None) -> RunResult:
        state = _RunState(started_at=self.clock())
        try:
            return self._run_steps(source, state, file)
        except Exception as error:
            if self.connection.closed:
                raise
            logger.exception("ingest failed", extra={"source": source.name})
            if self.reports is not None:
                self.reports.report_exception(None, error)
            state.inspection = None
            state.message = f"a fault of OpenWatt ({type(error).__name__}: {error}); its trace is in the log"
            return self._record_fault(source, state)

    def _record_fault(self, source: SourceDeclaration, state: _RunState) -> RunResult:
        """Records what can be recorded; where even that fails, the result says so and the others go on."""
        try:
            return self._record(source, state, "unreadable")
        except Exception:
            if self.connection.closed:
                raise
            logger.exception("ingest could not be recorded", extra={"source": source.name})
            return RunResult(source=source, outcome="unreadable", message=state.message)

    def _run_steps(self, source: SourceDeclaration, state: _RunState, file: bytes | None) -> RunResult:
        """Fetches, reads, decides and publishes; each step may end the run with its outcome."""
        try:
            if file is None:
                self._fetch(source, state)
            else:
                state.origin = "file"
                state.document = make_document(source, file, url=None)
        except UnreachableError as error:
            state.message = str(error)
            return self._record(source, state, "unreachable")
        except UnreadableDocumentError as error:
            state.message = str(error)
            return self._record(source, state, "unreadable")
        if self._is_unchanged(source, state):
            return self._record(source, state, "unchanged")
        state.inspection = inspection = self._read(source, state)
        outcome = self._apply_decision(source, state, inspection.outcome)
        if outcome == "published":
            return self._publish(source, state, inspection)
        return self._record(source, state, outcome)

    def _apply_decision(self, source: SourceDeclaration, state: _RunState, outcome: Outcome) -> Outcome:
        """The outcome of a reading, or what a person has decided on these same bytes."""
        decision = decision_on(self.connection, source.name, state.sha256)
        if decision is None:
            return outcome
        state.message = f"these bytes were {decision.decision} by {decision.reviewer}: {decision.reason}"
        if decision.decision == "rejected":
            return "refused" if outcome == "published" else outcome
        return "unchanged" if outcome == "refused" else outcome

    def _fetch(self, source: SourceDeclaration, state: _RunState) -> None:
        """Fetches the document, or takes the stored one when the server says that it has not changed."""
        today = state.started_at.astimezone(PARIS).date()
        address = address_in_force(self.connection, source.name, today) or source.address
        if address is None:
            raise UnreachableError(
                f"the source has no address: hand its document in with --file ({source.note})"
            )
        state.address = fill_in_season(address, today)
        answer = last_answer(self.connection, source.name)
        stored = find_document(self.connection, answer.document) if answer else None
        etag = last_modified = None
        if answer and stored and stored.content is not None and answer.address == state.address:
            etag, last_modified = answer.etag, answer.last_modified
        fetched = self.fetcher.fetch(
            state.address, expects=MEDIA_KINDS[source.format], etag=etag, last_modified=last_modified
        )
        state.etag, state.last_modified = fetched.etag, fetched.last_modified
        if isinstance(fetched, FetchedDocument):
            state.document = make_document(source, fetched.content, url=state.address)
        else:
            state.document = stored
        if answer is not None and state.document is not None and answer.document == state.document.reference:
            state.answer = answer

    def _is_unchanged(self, source: SourceDeclaration, state: _RunState) -> bool:
        """Whether the same reader has read these same bytes well in the last run.

        Bytes that were refused are read again in each run: the doubt may have been about
        something that is known by now. If it stands, they stay refused.
        """
        answer = state.answer
        return answer is not None and answer.outcome in SUCCESSES and answer.reader == reader_edition(source)

    def _read(self, source: SourceDeclaration, state: _RunState) -> Inspection:
        document, references = state.document, self._known_references()
        if document is None or document.content is None:
            raise LookupError("a document without its bytes")
        on = state.started_at.astimezone(PARIS).date()
        if state.origin == "file" and is_typed_table(document.content):
            return read_typed_table(document.content, source, references, on=on)
        return self.inspector.inspect_document(
            document.content, self.sources, references, on=on, name=source.name
        )

    def _publish(self, source: SourceDeclaration, state: _RunState, inspection: Inspection) -> RunResult:
        try:
            return self._record(source, state, "published", inspection)
        except CorrectionError as error:
            doubt = Doubt(rule="layout", message=str(error), where="whole document")
            state.inspection = replace(inspection, outcome="refused", doubts=(doubt,))
            return self._record(source, state, "refused")

    def _record(
        self,
        source: SourceDeclaration,
        state: _RunState,
        outcome: Outcome,
        inspection: Inspection | None = None,
    ) -> RunResult:
        """Stores in one transaction the document, what is published of it, the run and the sighting."""
        observed_at = max(self.clock(), state.started_at)
        published, document = 0, state.document
        with self.connection.transaction(force_rollback=self.dry_run):
            if document is not None:
                store_content(self.connection, document)
            if inspection is not None and document is not None:
                published = publish_inspection(
                    self.connection, source, inspection, document=document, observed_at=observed_at
                )
                outcome = "published" if published else "unchanged"
            run = state.run(source, outcome, observed_at, published)
            run_id = record_run(self.connection, run)
            if document is not None and outcome in SUCCESSES:
                record_sighting(self.connection, document.reference, observed_at, run_id)
        if published and source.regulated and not self.dry_run:
            self._references = None
        read = state.inspection
        return RunResult(
            source=source,
            outcome=outcome,
            message=run.detail["message"],
            doubts=read.doubts if read else (),
            tariffs=run.detail.get("read", 0),
            published=published,
            sha256=state.sha256,
            run_id=None if self.dry_run else run_id,
        )

    def _known_references(self) -> References:
        """The regulated tariff as it is known now: what a run has published counts for the next one."""
        if self._references is None:
            self._references = known_references(regulated_history(self.connection))
        return self._references


def _log(result: RunResult, *, dry_run: bool) -> None:
    """Writes the one log record of a run."""
    level = logging.INFO if result.outcome in (*SUCCESSES, None) else logging.WARNING
    extra: dict[str, Any] = {
        "source": result.source.name,
        "supplier": result.source.supplier,
        "outcome": result.outcome or "held",
        "tariffs": result.tariffs,
        "doubts": len(result.doubts),
        "duration_ms": round(result.seconds * 1000, 1),
    }
    if result.sha256:
        extra["document"] = result.sha256
    if result.run_id is not None:
        extra["run"] = str(result.run_id)
    if result.message or result.doubts:
        extra["reason"] = result.message or "; ".join(
            f"{one.rule}: {one.message}" for one in result.doubts[:3]
        )
    logger.log(level, "ingest tried" if dry_run else "ingest finished", extra=extra)
