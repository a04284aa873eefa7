"""Where the results of a run go: one file, or a Parquet dataset of one file a partition.

While a run is under way, its conditions (`_run.json`), its market (`_market.json`) and the
parts that are done lie in one folder: the dataset itself, or `<file>.parts` beside a file. A part
appears whole, under a name that says how many homes it holds and how many of them failed, so
that whatever ends a run, the next knows from the names alone what is done. A dataset is complete
when it has its manifest (`_manifest.json`). Readers of datasets leave out names that begin with `_`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple

from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.results.results import Results
from openwatt.portfolio.results.storage import (
    ASIDE,
    DiskFolder,
    Storage,
    path_of,
    storage_at,
    without_credentials,
)

CONDITIONS, MARKET, MANIFEST = "_run.json", "_market.json", "_manifest.json"
#: How a file begins that a worker writes to show that it can.
_PROBE = "_probe-"
_PART = re.compile(r"part-(\d{7,})-(\d+)-(\d+)-(\d+)\.(?:csv|parquet)")
_FORMS = (".csv", ".parquet")


class FinishedPart(NamedTuple):
    """A part that is done."""

    number: int
    homes: int
    failed: int
    rows: int

    def name(self, form: str) -> str:
        """Its file's name; in the order of the names, homes are in their order."""
        return f"part-{self.number:07}-{self.homes}-{self.failed}-{self.rows}{form}"

    @classmethod
    def of(cls, name: str) -> "FinishedPart | None":
        """What a file's name says, None when it is no part's."""
        found = _PART.fullmatch(name)
        return cls(*map(int, found.groups())) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where results go; it goes to every process. `file` is the name of the one file, None for a dataset.

    `begun` are the files that this process wrote for its run: a store without locks may have another's.
    Every method raises PortfolioError when something cannot be written or read.
    """

    shown: str
    form: str
    folder: Storage
    file: str | None
    begun: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def at(cls, address: str) -> "Output":
        """The output of a path or address.

        Raises:
            PortfolioError: when the ending says no form, or the address cannot be used.
        """
        shown = str(path_of(address) or without_credentials(address))
        name = address.rpartition("/")[2]
        form = PurePath(name).suffix
        if not form:
            return cls(shown=shown, form=".parquet", folder=storage_at(address), file=None)
        if form not in _FORMS:
            raise PortfolioError(
                f"{shown} ends neither in .csv nor in .parquet, so its form is not known; "
                "the name of a dataset has no ending, or ends in /"
            )
        return cls(shown=shown, form=form, folder=storage_at(f"{address}.parts"), file=name)

    @property
    def name(self) -> str:
        """The last part of its path or address."""
        return self.shown.rstrip("/").rpartition("/")[2]

    def paths(self) -> frozenset[Path]:
        """What of it lies on a disk: neither of these is a home."""
        if not isinstance(self.folder, DiskFolder):
            return frozenset()
        folder = self.folder.path
        return frozenset({folder, folder.with_name(self.file)} if self.file else {folder})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder so that no other run writes it; without a part, nothing of the run stays.

        Raises:
            PortfolioError: when another run holds it, or it is none of a run.
        """
        with ExitStack() as stack:
            with self._errors("written"):
                if self.file and any(path.name == self.file and path.is_dir() for path in self.paths()):
                    raise PortfolioError(f"{self.shown} cannot be written: it is a folder")
                try:
                    stack.enter_context(self.folder.locked())
                except BlockingIOError:
                    raise PortfolioError(
                        f"another run is writing {self.shown}: wait for its end, or name another output"
                    ) from None
            self._refuse_other_files()
            try:
                yield
            finally:
                with suppress(OSError, PortfolioError):
                    if not self.done():
                        self.folder.remove(*self.begun)

    def conditions(self) -> dict[str, Any] | None:
        """The conditions of an earlier run that left parts, None when there is none."""
        with self._errors("read"):
            data, done = self.folder.read(CONDITIONS), self.done()
            if data is None and done and self.file is None:
                raise PortfolioError(
                    f"{self.shown} holds parts of a run whose {CONDITIONS} is gone: name another output"
                )
            if data is None:  # The file is whole; a run was killed while it removed the parts.
                self._remove_parts()
            if data is None or not done:
                return None
            try:
                found: dict[str, Any] = json.loads(data)
                found["run"], found["today"], found["homes_per_partition"]
            except (ValueError, TypeError, KeyError):
                raise PortfolioError(
                    f"{CONDITIONS} in {self.folder} is damaged; delete that folder to start again"
                ) from None
            return found

    def market(self) -> bytes | None:
        """The file of the market of an earlier run."""
        with self._errors("read"):
            return self.folder.read(MARKET)

    def start(self, conditions: Mapping[str, Any], market: bytes, *, resume: bool) -> None:
        """Writes what is the same for all parts of this run."""
        data = json.dumps(conditions, indent=1).encode()
        with self._errors("written"):
            try:
                (self.folder.write if resume else self.folder.claim)(CONDITIONS, data)
            except BlockingIOError:
                raise PortfolioError(
                    f"another run to {self.shown} is under way, or was killed before its first part: "
                    "wait for its end, or add --resume"
                ) from None
            self.begun.update((CONDITIONS, MARKET))
            self.folder.write(MARKET, market)

    def done(self) -> dict[int, FinishedPart]:
        """The parts that lie there, by number."""
        with self._errors("read"):
            parts = map(FinishedPart.of, self.folder.names())
            return {part.number: part for part in parts if part}

    def run(self) -> str | None:
        """The run whose conditions lie there."""
        with self._errors("read"):
            data = self.folder.read(CONDITIONS)
        return None if data is None else str(json.loads(data).get("run"))

    def write(self, part: FinishedPart, data: bytes) -> None:
        """Writes a part."""
        with self._errors("written"):
            self.folder.write(part.name(self.form), data)

    def probe(self, name: str) -> None:
        """Writes a file that shows another process that this one writes to the same folder."""
        with self._errors("written"):
            self.folder.write(f"{_PROBE}{name}", b"")

    def take_probes(self) -> frozenset[str]:
        """The names of the files that `probe` wrote, which are removed."""
        with self._errors("written"):
            found = [name for name in self.folder.names() if name.startswith(_PROBE)]
            self.folder.remove(*found)
            return frozenset(name.removeprefix(_PROBE) for name in found)

    def finish(self, results: Results, partitions: int, manifest: Mapping[str, Any]) -> None:
        """Makes the output whole: writes the manifest of a dataset, or joins the parts to the one file.

        Raises:
            PortfolioError: when a part is not there.
        """
        with self._errors("written"):
            done, sizes = self.done(), self.folder.names()
            missing = [number for number in range(partitions) if number not in done]
            if missing:
                raise PortfolioError(
                    f"part {missing[0]} is not in {self.folder}: was it removed, or does a worker see "
                    "another folder of that name? --resume bills what is missing"
                )
            parts = [done[number] for number in range(partitions)]
            if self.file is None:
                named = [
                    {**part._asdict(), "name": (name := part.name(self.form)), "bytes": sizes[name]}
                    for part in parts
                ]
                whole = json.dumps({**manifest, "parts": named}, indent=1).encode()
                self.folder.write(MANIFEST, whole)
                self.folder.remove(CONDITIONS)
                return
            with self.folder.writing(f"../{self.file}") as stream:
                results.join(self._opened(parts), stream, manifest)
            self.folder.remove(CONDITIONS)  # First: without it nothing is taken for a run to go on with.
            self._remove_parts()

    def _opened(self, parts: Sequence[FinishedPart]) -> Iterator[BinaryIO]:
        for part in parts:
            with self.folder.open(part.name(self.form)) as stream:
                yield stream

    def _remove_parts(self) -> None:
        self.folder.remove(MARKET, *(name for name in self.folder.names() if FinishedPart.of(name)))

    def _refuse_other_files(self) -> None:
        with self._errors("read"):
            names = sorted(self.folder.names())
        if MANIFEST in names:
            raise PortfolioError(f"{self.shown} is complete: name another output, or delete it first")
        known = (CONDITIONS, MARKET)
        others = [name for name in names if name not in known and not FinishedPart.of(name)]
        others = [name for name in others if not name.startswith(_PROBE) and not name.endswith(ASIDE)]
        if others:
            raise PortfolioError(
                f"{self.folder} holds {Path(others[0]).name}, which is not of a run: name another output"
            )

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PortfolioError(f"{self.shown} cannot be {what}: {error.strerror or error}") from error
