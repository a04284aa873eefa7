"""The sandbox of documents: a process of its own reads them, within limits of time and memory."""

import datetime as dt
import io
import logging
import math
import os
import pickle
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO, Any, Self

import msgspec

from openwatt.domain.doubts import References
from openwatt.domain.reading import Doubt, Reading
from openwatt.ingest.declarations import SourceDeclaration
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.inspection import Inspection, InspectionOutcome, inspect_document
from openwatt.ingest.readers.grid_pdf.words import Page, read_pages
from openwatt.ingest.readers.rte_tempo import TempoReading
from openwatt.sandbox import SandboxProcess, limit_resources, read_exactly

logger = logging.getLogger(__name__)

#: How long a process may take to be ready on a busy machine: that is not the document's fault.
_START_SECONDS = 60.0
#: The largest real answer has 1 MB; a reader that was taken over could send anything.
_MAX_ANSWER_BYTES = 64_000_000

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """How much reading one document may cost.

    A process reads `documents` of them, then another takes its place.

    The memory is that of all addresses, of which 44 MB are Python and its libraries: the
    largest real document (49 pages, 0.3 s of processor time) needs 7 MB more. With the
    command that a request starts for it (93 MB, 1 s) a document stays below what an
    upload may cost, 400 MB and 5 s.
    """

    seconds: float = 20.0
    cpu_seconds: int = 3
    memory_bytes: int = 256_000_000
    documents: int = 50


class ReaderStartError(RuntimeError):
    """Raised when the process that reads documents does not start; this is no document's fault."""


class DocumentSandbox:
    """Reads documents, whatever they do to their reader.

    One process is started with the first document and reads those that follow; it
    is replaced when a document has ended it. One thread at a time may use it.
    """

    def __init__(self, limits: ReadingLimits | None = None) -> None:
        self._limits = limits or ReadingLimits()
        self._process: _ReaderProcess | None = None

    def inspect_document(
        self,
        document: bytes,
        sources: Mapping[str, SourceDeclaration],
        references: References,
        *,
        on: dt.date,
        name: str | None = None,
    ) -> Inspection:
        """Calls the function of this name of `openwatt.ingest.inspection`; a limit reached is `unreadable`.

        Raises:
            KeyError: the name is no source.
            ReaderStartError: no process can be started.
        """
        named = None if name is None else sources[name]
        if self._process is not None and not self._process.knows(sources, references):
            self.close()
        try:
            return self._ask(sources, references, (document, on, name)).inspection(sources)
        except _ReaderEndedError as ended:
            return Inspection(
                source=named, outcome="unreadable", reading=Reading(lines=()), reason=str(ended)
            )

    def read_pages(self, document: bytes) -> tuple[Page, ...]:
        """Calls the function of this name of `openwatt.ingest.readers.grid_pdf.words`.

        Raises:
            UnreadableDocumentError: as there, and when a limit or a crash ended the process.
            ReaderStartError: no process can be started.
        """
        if self._process is not None and not self._process.is_usable():
            self.close()
        try:
            response = self._ask({}, None, (document, None, None))
        except _ReaderEndedError as ended:
            raise UnreadableDocumentError(str(ended)) from ended
        if response.reason is not None:
            raise UnreadableDocumentError(response.reason)
        return response.pages

    def _ask(
        self, sources: Mapping[str, SourceDeclaration], references: References | None, request: "_Request"
    ) -> "_Response":
        """Sends a request to the process, which is started where there is none, and returns the response."""
        if self._process is None:
            self._process = _ReaderProcess(self._limits, sources, references)
        process = self._process
        try:
            response = process.ask(request)
        except BaseException:
            self.close()  # an answer that still comes would be taken for that to the next request
            raise
        if process.documents >= self._limits.documents:
            self.close()
        return response

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


#: A document with the day and the name to inspect it by; without a day only its pages are wanted.
_Request = tuple[bytes, dt.date | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    """An inspection, or pages, on their way back: plain values, decoded by type.

    The reader may have been taken over by what it read. `failure` is the trace of an error
    of ours; sources and waivers come back by name and place.
    """

    source: str | None = None
    outcome: InspectionOutcome = "unreadable"
    reading: Reading = field(default_factory=lambda: Reading(lines=()))
    doubts: tuple[Doubt, ...] = ()
    waived: tuple[tuple[Doubt, int], ...] = ()
    reason: str | None = None
    tempo: TempoReading | None = None
    pages: tuple[Page, ...] = ()
    failure: str | None = None

    @classmethod
    def of(cls, inspection: Inspection) -> Self:
        source = inspection.source
        return cls(
            source=source.name if source else None,
            outcome=inspection.outcome,
            reading=inspection.reading,
            doubts=inspection.doubts,
            waived=tuple(
                (doubt, source.waivers.index(signed)) for doubt, signed in inspection.waived if source
            ),
            reason=inspection.reason,
            tempo=inspection.tempo,
        )

    def inspection(self, sources: Mapping[str, SourceDeclaration]) -> Inspection:
        source = None if self.source is None else sources[self.source]
        return Inspection(
            source=source,
            outcome=self.outcome,
            reading=self.reading,
            doubts=self.doubts,
            waived=tuple((doubt, source.waivers[place]) for doubt, place in self.waived if source),
            reason=self.reason,
            tempo=self.tempo,
        )


_RESPONSES = msgspec.msgpack.Decoder(_Response)


class _ReaderEndedError(Exception):
    """Raised when the process ended before its answer; the message is the document's reason."""


class _ReaderProcess(SandboxProcess):
    """One process that reads documents, seen from outside."""

    def __init__(
        self, limits: ReadingLimits, sources: Mapping[str, SourceDeclaration], references: References | None
    ) -> None:
        self.documents = 0
        self._limits = limits
        self._known = (sources, references)
        super().__init__(__spec__.name)
        first = _pickled((limits.cpu_seconds, limits.memory_bytes, dict(sources), references))
        try:
            self._exchange(first, _START_SECONDS)
        except BaseException as error:
            self.close()
            if isinstance(error, _ReaderEndedError):
                raise ReaderStartError(f"the process that reads documents does not start: {error}") from error
            raise

    def knows(self, sources: Mapping[str, SourceDeclaration], references: References) -> bool:
        """Whether it still lives and was started with these same sources and references."""
        return self._known[0] is sources and self._known[1] is references and self.is_usable()

    def ask(self, request: _Request) -> _Response:
        """Returns the response to a request. Raises _ReaderEndedError when it ended before."""
        self.documents += 1
        response = self._exchange(_pickled(request), self._limits.seconds)
        try:
            decoded = _RESPONSES.decode(response)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _ReaderEndedError("the process that read it answered nothing that makes sense") from error
        if decoded.failure is not None:
            logger.error("document reader failed", extra={"error": decoded.failure})
            last = decoded.failure.strip().rpartition("\n")[2]
            raise _ReaderEndedError(f"the reader failed on it ({last}): a fault of OpenWatt, to be reported")
        return decoded

    def _exchange(self, message: bytes, seconds: float) -> bytes:
        """Sends a message and waits for the answer, both together no longer than some seconds."""
        to_it, from_it = self.pipes
        with self.deadline(seconds) as late:
            try:
                _send(to_it, message)
                response = _receive(from_it, _MAX_ANSWER_BYTES)
            except (EOFError, OSError) as error:
                self.kill()
                raise _ReaderEndedError(self._why(late=late.is_set(), seconds=seconds)) from error
        if late.is_set():  # it answered just before it was ended
            raise _ReaderEndedError(self._why(late=True, seconds=seconds))
        return response

    def _why(self, *, late: bool, seconds: float) -> str:
        """The reason why the process ended, by its status."""
        code = self.wait()
        memory = f"{self._limits.memory_bytes // 1_000_000} MB"
        if late:
            return f"reading it takes longer than {seconds:g} s"
        if code == -signal.SIGXCPU:
            return f"reading it needs more than {self._limits.cpu_seconds} s of computing"
        if code == _OUT_OF_MEMORY:
            return f"reading it needs more than {memory}"
        if code < 0:
            name = signal.Signals(-code).name
            return (
                f"its reader was ended by {name}: the PDF library crashed on it, or needs more than {memory}"
            )
        return f"the process that read it ended with status {code}"


#: The status with which a process says that its memory is used up.
_OUT_OF_MEMORY = 4


def _read_only(mapping: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    """A pickler that writes a read-only view of a mapping as that mapping."""

    def reducer_override(self, obj: object) -> Any:
        return (_read_only, (dict(obj),)) if isinstance(obj, MappingProxyType) else NotImplemented


def _pickled(message: object) -> bytes:
    pickled = io.BytesIO()
    _Pickler(pickled, pickle.HIGHEST_PROTOCOL).dump(message)
    return pickled.getvalue()


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes], most: int) -> bytes:
    """Reads the next message. Raises EOFError at the end, or when it would be larger than `most` bytes."""
    (length,) = _LENGTH.unpack(read_exactly(pipe, _LENGTH.size))
    if length > most:
        raise EOFError
    return read_exactly(pipe, length)


# What follows runs in the process itself.


def main() -> int:
    """Answers each request of the input on the output, until the input ends."""
    from_us = sys.stdin.buffer
    to_us = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    try:
        cpu_seconds, memory_bytes, sources, references = _next_message(from_us)
        limit_resources(memory_bytes)
        _send(to_us, b"ready")
        while True:
            request = _next_message(from_us)
            # The limit counts from the start of the process: what earlier documents used is added.
            used = math.ceil(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (used + cpu_seconds, resource.RLIM_INFINITY))
            try:
                response = _answer_to(request, sources, references)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - the other end says it, logs it, and goes on
                response = _Response(failure=traceback.format_exc())
            _send(to_us, msgspec.msgpack.encode(response))
    except EOFError:
        return 0
    except MemoryError:
        return _OUT_OF_MEMORY


def _answer_to(
    request: _Request, sources: Mapping[str, SourceDeclaration], references: References
) -> _Response:
    document, on, name = request
    if on is not None:
        return _Response.of(inspect_document(document, sources, references, on=on, name=name))
    try:
        return _Response(pages=read_pages(document))
    except UnreadableDocumentError as error:
        return _Response(reason=str(error))


def _next_message(pipe: IO[bytes]) -> Any:
    # Only the process that started this one can write into this pipe.
    return pickle.loads(_receive(pipe, 2**32 - 1))  # noqa: S301


if __name__ == "__main__":
    sys.exit(main())
