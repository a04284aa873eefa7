"""The sandbox reads a customer's file in a process of its own, with bounded memory and processor time.

A service starts one such process for each of its workers, with the first file. For
each file that process forks a child, which reads this one file within limits and is
gone: what a file has cost is given back, and no file meets another's remains. The
process ends with the worker that started it, and by itself when nothing comes.
"""

import atexit
import contextlib
import datetime as dt
import os
import resource
import select
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, NoReturn, Self

import msgspec
import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import Minutes
from openwatt.domain.load_curve import FileOrigin, Finding, LoadCurve
from openwatt.domain.messages import Message
from openwatt.meter import read
from openwatt.meter.bounds import MeterBoundError, Reached
from openwatt.meter.options import NO_OPTIONS, FileOptions
from openwatt.sandbox import SandboxProcess, limit_resources, read_exactly

#: A question: the lengths of its head and of the file. An answer: the length of its head.
_QUESTION, _HEAD = struct.Struct(">IQ"), struct.Struct(">I")
_LONGEST_HEAD = 1_000_000
#: Arrays of a load curve, of 8 bytes a row each.
_ARRAYS = 3
_MOST_ROWS = 10_000_000
_IDLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one file may cost.

    The memory is that beside the interpreter and its libraries: ten years at 10 minutes
    need 100 MB, and 1.7 s. `seconds` bounds the wait for a file's turn and its reading
    each, by the clock.
    """

    memory_mb: int = 200
    cpu_seconds: float = 4.0
    seconds: float = 30.0


class Cost(NamedTuple):
    """What a file has cost: processor time, and the most memory that its process held, shared pages too."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    @classmethod
    def of(cls, used: resource.struct_rusage) -> Self:
        """That of a process."""
        return cls(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


class SandboxBusyError(Exception):
    """No process can read the file now; the message says why. The file has nothing to do with it."""


class ReaderFaultError(Exception):
    """A reader failed on a file: a fault of ours. The message says where, and nothing of the file."""


class Question(NamedTuple):
    """What is asked beside the file: the instant that counts as now, and what the customer says of it."""

    now: float
    options: FileOptions


class _Answer(msgspec.Struct, kw_only=True):
    """What comes back before the arrays: plain values, decoded by type, for a reader may be subverted."""

    rows: int = 0
    findings: tuple[Finding, ...] = ()
    origins: tuple[FileOrigin, ...] = ()
    reason: Message | None = None
    reached: Reached | None = None
    fault: str | None = None
    cost: Cost = Cost()


_QUESTIONS = msgspec.msgpack.Decoder(Question)
_ANSWERS = msgspec.msgpack.Decoder(_Answer)


class MeterSandbox:
    """`read_load_curve`, whatever a file does to its reader. One file at a time is read, the others wait."""

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self._limits = limits or SandboxLimits()
        self._turn = threading.Lock()
        self._process: _Process | None = None

    def read_load_curve(
        self,
        data: bytes,
        now: dt.datetime,
        options: FileOptions = NO_OPTIONS,
        *,
        on_cost: Callable[[Cost], None] | None = None,
    ) -> LoadCurve:
        """As the function of this name in `openwatt.meter.read`; `on_cost` takes what it has cost.

        Raises:
            MeterFileError: as there.
            MeterBoundError: when the file holds or needs more than it may.
            SandboxBusyError: when its turn does not come in time, or no process can be started.
            ReaderFaultError: when a reader failed.
        """
        with self.turn():
            answer, arrays = self._ask(data, Question(now.timestamp(), options))
        if on_cost is not None:
            on_cost(answer.cost)
        if answer.fault is not None:
            raise ReaderFaultError(answer.fault)
        if answer.reached is not None:
            raise MeterBoundError(answer.reached)
        if answer.reason is not None:
            raise MeterFileError(answer.reason)
        starts, steps, energies = arrays
        return LoadCurve(starts, steps, energies, answer.findings, answer.origins)

    @property
    def pid(self) -> int | None:
        """Its process, None while there is none."""
        return None if self._process is None else self._process.pid

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for the turn of a file; what needs much memory for a file is done in it."""
        if not self._turn.acquire(timeout=self._limits.seconds):
            raise SandboxBusyError("other files are being read; try again in a few seconds")
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ask(self, data: bytes, question: "Question") -> tuple[_Answer, list[Minutes]]:
        if self._process is not None and not self._process.is_usable():
            self.close()
        for _ in range(2):  # a process may end by itself just when a request comes
            if self._process is None:
                self._process = _Process(self._limits)
            try:
                return self._process.ask(data, question)
            except _EndedError as ended:
                self.close()
                if not ended.idle:
                    return _Answer(reached=Reached("crash")), []
            except BaseException:
                self.close()  # what it was sent would be answered in place of the next file
                raise
        raise SandboxBusyError("the process that reads files does not start; try again in a few seconds")


class _EndedError(Exception):
    """The process ended before its answer; `idle` when it did so without having taken the question."""

    def __init__(self, *, idle: bool) -> None:
        self.idle = idle
        super().__init__()


class _Process(SandboxProcess):
    """The process that reads files, seen from outside."""

    def __init__(self, limits: SandboxLimits) -> None:
        self._limits = limits
        try:
            super().__init__(
                __spec__.name, [str(limits.memory_mb), str(limits.cpu_seconds), str(_IDLE_SECONDS)]
            )
        except OSError as error:
            raise SandboxBusyError(f"no process to read files can be started: {error.strerror}") from error

    def ask(self, data: bytes, question: "Question") -> tuple[_Answer, list[Minutes]]:
        """What it makes of a file.

        Raises:
            _EndedError: when it ended.
            SandboxBusyError: when it does not answer in time.
        """
        to_it, from_it = self.pipes
        taken = False
        with self.deadline(self._limits.seconds) as late:
            try:
                head = msgspec.msgpack.encode(question)
                to_it.write(_QUESTION.pack(len(head), len(data)))
                to_it.write(head)
                to_it.write(data)
                to_it.flush()
                taken = True
                return _receive(from_it)
            except (EOFError, OSError, msgspec.DecodeError) as error:
                if late.is_set():
                    raise SandboxBusyError(
                        "the machine is too busy to read the file; try again later"
                    ) from error
                self.kill()
                idle = self.wait() == 0 or not taken
                raise _EndedError(idle=idle) from error


def _receive(pipe: IO[bytes]) -> tuple[_Answer, list[Minutes]]:
    """The next answer. Raises EOFError at the end, or when it would be larger than any is."""
    (length,) = _HEAD.unpack(read_exactly(pipe, _HEAD.size))
    if length > _LONGEST_HEAD:
        raise EOFError
    answer = _ANSWERS.decode(read_exactly(pipe, length))
    if not 0 <= answer.rows <= _MOST_ROWS:
        raise EOFError
    arrays = [np.empty(answer.rows, dtype=np.int64) for _ in range(_ARRAYS)]
    for array in arrays:
        _fill(pipe, memoryview(array.data).cast("B"))
    return answer, arrays


def _fill(pipe: IO[bytes], view: memoryview) -> None:
    while view:
        count = pipe.readinto(view)  # type: ignore[attr-defined]  # a buffered pipe has it
        if not count:
            raise EOFError
        view = view[count:]


_sandbox = MeterSandbox()
atexit.register(_sandbox.close)


def sandbox() -> MeterSandbox:
    """The sandbox of this process."""
    return _sandbox


# What follows runs in the process itself.


def main() -> int:
    """Forks a child for each file that comes, until the input ends or nothing has come for a while."""
    memory_mb, cpu_seconds, idle_seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    while True:
        events = waiting.poll(idle_seconds * 1000)
        if not events or not events[0][1] & select.POLLIN:
            return 0
        child = os.fork()
        if child == 0:
            _read_one(memory_mb, cpu_seconds)
        _, status, used = os.wait4(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            _write(_Answer(reached=Reached("time", int(cpu_seconds)), cost=Cost.of(used)))
        elif status != 0:
            return 0 if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _NO_QUESTION else 1


#: The status of a child that found the end of the input in place of a question.
_NO_QUESTION = 3


def _read_one(memory_mb: int, cpu_seconds: float) -> NoReturn:
    """Reads one file within limits, answers and ends; runs in the child."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # whatever a library prints may quote the file
        with contextlib.suppress(OSError):  # the kernel takes it first when the machine has no memory left
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        with open(0, "rb", closefd=False) as pipe:
            head, length = _QUESTION.unpack(read_exactly(pipe, _QUESTION.size))
            question = _QUESTIONS.decode(read_exactly(pipe, head))
            data = read_exactly(pipe, length)
        most = _address_space() - length + memory_mb * 1024 * 1024
        limit_resources(most, hard=False)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer, arrays = outcome_of(data, question, memory_mb)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer.cost = Cost.of(resource.getrusage(resource.RUSAGE_SELF))
        _write(answer, arrays)
        status = 0
    except EOFError:
        status = _NO_QUESTION
    finally:
        os._exit(status)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def outcome_of(data: bytes, question: Question, memory_mb: int) -> tuple[_Answer, list[Minutes]]:
    """What reading a file comes to, as it is answered."""
    try:
        now = dt.datetime.fromtimestamp(question.now, dt.UTC)
        curve = read.read_load_curve(data, now, question.options)
    except MeterBoundError as error:
        return _Answer(reached=error.reached), []
    except MeterFileError as error:
        return _Answer(reason=error.message), []
    except MemoryError:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return _Answer(reached=Reached("memory", memory_mb)), []
    except Exception as error:  # noqa: BLE001  its message may quote the file
        return _Answer(fault=fault_of(error)), []
    return _Answer(rows=len(curve.starts_min), findings=curve.findings, origins=curve.origins), [
        curve.starts_min,
        curve.steps_min,
        curve.energies,
    ]


def fault_of(error: BaseException) -> str:
    """An error's class and the places that it came through, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('openwatt/')[2]}:{frame.lineno}" for frame in frames]
    return f"{type(error).__name__} at {' > '.join(places)}"


def _write(answer: _Answer, arrays: list[Minutes] | None = None) -> None:
    head = msgspec.msgpack.encode(answer)
    with open(1, "wb", closefd=False) as pipe:
        pipe.write(_HEAD.pack(len(head)))
        pipe.write(head)
        pipe.writelines(memoryview(np.ascontiguousarray(array).data).cast("B") for array in arrays or ())


if __name__ == "__main__":
    sys.exit(main())
