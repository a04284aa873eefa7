"""Runs the command `openwatt portfolio` and watches what it takes, with every process that works for it."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_SECONDS_BETWEEN_SAMPLES = 0.2
#: What the command ends with when some homes could not be billed, as some synthetic homes cannot.
_SOME_FAILED = 3
#: A process by its id and its start: ids are used again.
_Key = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: of the clock, of all processors together, and of memory."""

    clock_s: float
    core_s: float
    #: By name of a process, its resident MB at each sample: that of the largest of it and those below it.
    memory: Mapping[str, list[float]]

    def peak_mb(self, name: str, part: float = 1) -> float:
        """The most until a part of the run was over."""
        samples = self.memory[name]
        return max(samples[: max(1, round(len(samples) * part))])


class Watch:
    """Samples processes and all below them: their processor time from now on, and their memory."""

    def __init__(self, roots: Mapping[str, psutil.Process]) -> None:
        self.roots = dict(roots)
        self.start = time.perf_counter()
        self.core_s: dict[_Key, float] = {}
        self.memory: dict[str, list[float]] = {}
        self.before = {_key(one): _core_s(one) for root in roots.values() for one in _tree(root)}

    def sample(self) -> None:
        """Looks at each process once; what it does after its last look is not counted."""
        for name, root in self.roots.items():
            largest = 0.0
            for one in _tree(root):
                try:
                    self.core_s[_key(one)] = _core_s(one) - self.before.get(_key(one), 0)
                    largest = max(largest, one.memory_info().rss / 1e6)
                except psutil.Error:
                    continue
            self.memory.setdefault(name, []).append(largest)

    def cost(self) -> Cost:
        """What was seen until now."""
        return Cost(time.perf_counter() - self.start, sum(self.core_s.values()), self.memory)


def bill(
    homes: Path,
    out: Path,
    *options: str,
    roots: Mapping[str, psutil.Process] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Cost:
    """The command with prices then; `roots` are processes that work for it beside its own."""
    command = [sys.executable, "-m", "openwatt", "portfolio", str(homes), "--out", str(out)]
    command += ["--prices", "then", *options]
    log = out.with_name(f"{out.name}.log")
    watch, before = Watch(roots or {}), _core_s_of_ended()
    with log.open("wb") as stream, subprocess.Popen(command, stderr=stream) as process:
        watch.roots["client"] = psutil.Process(process.pid)
        client = _key(watch.roots["client"])
        while process.poll() is None:
            watch.sample()
            meanwhile()
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
    assert process.returncode in {0, _SOME_FAILED}, log.read_text()[-2000:]
    watch.core_s[client] = _core_s_of_ended() - before
    return watch.cost()


def _tree(root: psutil.Process) -> Iterator[psutil.Process]:
    try:
        yield from (root, *root.children(recursive=True))
    except psutil.Error:
        return


def _key(process: psutil.Process) -> _Key:
    return process.pid, process.create_time()


def _core_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _core_s_of_ended() -> float:
    """The exact processor time of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
