"""Reading a stranger's document in a process of its own, which time and memory limits can end."""

import contextlib
import datetime as dt
import io
import logging
import math
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self

import msgspec

import openwatt
from openwatt.domain.doubts import References
from openwatt.domain.reading import Doubt, Reading
from openwatt.ingest.declarations import Source
from openwatt.ingest.inspect import Inspection, Outcome, inspect_document
from openwatt.ingest.readers.grid_pdf.words import read_pages
from openwatt.ingest.readers.rte_tempo import TempoReading

logger = logging.getLogger(__name__)

#: How long a process may take to be ready on a busy machine: that is not the document's fault.
_START_SECONDS = 60.0
#: The largest real answer has 1 MB; what comes back is a stranger's too.
_MAX_ANSWER_BYTES = 64_000_000

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """What one document may cost; a process reads `documents` of them, then another takes its place.

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
    """The process that reads documents does not start; no document has anything to do with it."""


class BoundedInspector:
    """`inspect_document`, whatever the document does to its reader.

    One process is started with the first document and reads those that follow; it
    is replaced when a document has ended it. A thread at a time may use it.
    """

    def __init__(self, limits: ReadingLimits | None = None) -> None:
        self._limits = limits or ReadingLimits()
        self._process: _Process | None = None

    def inspect_document(
        self,
        document: bytes,
        sources: Mapping[str, Source],
        references: References,
        *,
        on: dt.date,
        name: str | None = None,
    ) -> Inspection:
        """As the function of this name in `openwatt.ingest.inspect`; a limit or a crash is `unreadable`.

        Raises:
            KeyError: the name is no source.
            ReaderStartError: no process can be started.
        """
        named = None if name is None else sources[name]
        if self._process is not None and not self._process.knows(sources, references):
            self.close()
        if self._process is None:
            self._process = _Process(self._limits, sources, references)
        process = self._process
        try:
            answer = process.read(document, on, name)
        except _EndedError as ended:
            self.close()
            return Inspection(
                source=named, outcome="unreadable", reading=Reading(lines=()), reason=str(ended)
            )
        except BaseException:
            self.close()  # what has been asked would be the answer to the next question
            raise
        if process.documents >= self._limits.documents:
            self.close()
        return answer.inspection(sources)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """An inspection on its way back: plain values, decoded by type, for the reader may have been subverted.

    `failure` is the trace of an error of ours; sources and exceptions come back by
    name and place.
    """

    source: str | None
    outcome: Outcome
    reading: Reading
    doubts: tuple[Doubt, ...] = ()
    signed_off: tuple[tuple[Doubt, int], ...] = ()
    reason: str | None = None
    tempo: TempoReading | None = None
    failure: str | None = None

    @classmethod
    def of(cls, inspection: Inspection) -> Self:
        source = inspection.source
        return cls(
            source=source.name if source else None,
            outcome=inspection.outcome,
            reading=inspection.reading,
            doubts=inspection.doubts,
            signed_off=tuple(
                (doubt, source.exceptions.index(signed)) for doubt, signed in inspection.signed_off if source
            ),
            reason=inspection.reason,
            tempo=inspection.tempo,
        )

    def inspection(self, sources: Mapping[str, Source]) -> Inspection:
        source = None if self.source is None else sources[self.source]
        return Inspection(
            source=source,
            outcome=self.outcome,
            reading=self.reading,
            doubts=self.doubts,
            signed_off=tuple((doubt, source.exceptions[place]) for doubt, place in self.signed_off if source),
            reason=self.reason,
            tempo=self.tempo,
        )


_ANSWERS = msgspec.msgpack.Decoder(_Answer)


class _EndedError(Exception):
    """The process ended before its answer; the message says why in words for the document's reason."""


class _Process:
    """One process that reads documents, seen from outside."""

    def __init__(self, limits: ReadingLimits, sources: Mapping[str, Source], references: References) -> None:
        self.documents = 0
        self._limits = limits
        self._told = (sources, references)
        self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", __spec__.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(openwatt.__file__).parents[1],
            start_new_session=True,  # the signal that ends it reaches whatever it has started
        )
        told = _pickled((limits.cpu_seconds, limits.memory_bytes, dict(sources), references))
        try:
            self._exchange(told, _START_SECONDS)
        except BaseException as error:
            self.end()
            if isinstance(error, _EndedError):
                raise ReaderStartError(f"the process that reads documents does not start: {error}") from error
            raise

    def knows(self, sources: Mapping[str, Source], references: References) -> bool:
        """Whether these are the sources and references that it was started with, and it still lives."""
        same = self._told[0] is sources and self._told[1] is references
        return same and self._process.poll() is None

    def read(self, document: bytes, on: dt.date, name: str | None) -> _Answer:
        """What it makes of a document. Raises _EndedError when a limit or a crash ended it."""
        self.documents += 1
        answer = self._exchange(_pickled((document, on, name)), self._limits.seconds)
        try:
            decoded = _ANSWERS.decode(answer)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _EndedError("the process that read it answered nothing that makes sense") from error
        if decoded.failure is not None:
            logger.error("document reader failed", extra={"error": decoded.failure})
            last = decoded.failure.strip().rpartition("\n")[2]
            raise _EndedError(f"the reader failed on it ({last}): a fault of OpenWatt, to be reported")
        return decoded

    def end(self) -> None:
        """Ends it, whatever it is doing."""
        self._kill()
        self._process.wait()
        for pipe in self._pipes():
            with contextlib.suppress(OSError):  # what it no longer took cannot be flushed
                pipe.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("a process without pipes")
        return self._process.stdin, self._process.stdout

    def _exchange(self, message: bytes, seconds: float) -> bytes:
        """Sends a message and waits for the answer, both together no longer than some seconds."""
        to_it, from_it = self._pipes()
        late = threading.Event()

        def end_it() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(seconds, end_it)
        timer.start()
        try:
            _send(to_it, message)
            answer = _receive(from_it, _MAX_ANSWER_BYTES)
        except (EOFError, OSError) as error:
            self._kill()
            raise _EndedError(self._why(late=late.is_set(), seconds=seconds)) from error
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():  # it answered just before it was ended
            raise _EndedError(self._why(late=True, seconds=seconds))
        return answer

    def _why(self, *, late: bool, seconds: float) -> str:
        """Why it ended, told by how it ended."""
        code = self._process.wait()
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
    """Knows that a read-only view of a mapping is that mapping."""

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
    """The next message. Raises EOFError at the end, or when it would be larger than `most` bytes."""
    header = pipe.read(_LENGTH.size)
    length = _LENGTH.unpack(header)[0] if len(header) == _LENGTH.size else most + 1
    if length > most:
        raise EOFError
    message = pipe.read(length)
    if len(message) < length:
        raise EOFError
    return message


def main() -> int:
    """The process itself: documents on its input, inspections on what was its output, until that ends."""
    from_us = sys.stdin.buffer
    to_us = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    try:
        cpu_seconds, memory_bytes, sources, references = _question(from_us)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _send(to_us, b"ready")
        while True:
            document, on, name = _question(from_us)
            # The limit counts from the start of the process: what earlier documents used is added.
            used = math.ceil(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (used + cpu_seconds, resource.RLIM_INFINITY))
            try:
                inspection = inspect_document(
                    document, sources, references, on=on, name=name, read_pdf=read_pages
                )
                answer = _Answer.of(inspection)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - the other end says it, logs it, and goes on
                nothing = Reading(lines=())
                answer = _Answer(
                    source=None, outcome="unreadable", reading=nothing, failure=traceback.format_exc()
                )
            _send(to_us, msgspec.msgpack.encode(answer))
    except EOFError:
        return 0
    except MemoryError:
        return _OUT_OF_MEMORY


def _question(pipe: IO[bytes]) -> Any:
    # Only the process that started this one can write into this pipe.
    return pickle.loads(_receive(pipe, 2**32 - 1))  # noqa: S301


if __name__ == "__main__":
    sys.exit(main())
