"""The folder of an open-data package, which appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedRandom
from pathlib import Path

import msgspec

from openwatt.cli.output import OutputError
from openwatt.open_data.package import DESCRIPTOR, PACKAGE_NAME


class _Resource(msgspec.Struct):
    path: str


class _Descriptor(msgspec.Struct):
    name: str
    resources: list[_Resource]


@contextmanager
def open_package_folder(path: Path) -> Iterator[Callable[[str], BufferedRandom]]:
    """Gives what creates a file in a new folder, which takes its name when the block ends well.

    It replaces an earlier package; a folder with anything else in it is left alone.

    Raises:
        OutputError: when it cannot be written, or something else lies there.
    """
    target = path.resolve()
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}."))
        try:
            with ExitStack() as opened:
                files: list[BufferedRandom] = []

                def create(name: str) -> BufferedRandom:
                    files.append(opened.enter_context((aside / name).open("w+b")))
                    return files[-1]

                yield create
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
            _put_in_place(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    found = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    if others := found - _files_of_package(target / DESCRIPTOR):
        raise OutputError(
            f"{target} holds something else than a package ({min(others)}): name a new or an empty folder"
        )


def _files_of_package(descriptor: Path) -> set[str]:
    """The names of the files of an earlier package of ours; none where there is none."""
    try:
        package = msgspec.json.decode(descriptor.read_bytes(), type=_Descriptor)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return set()
    if package.name != PACKAGE_NAME:
        return set()
    return {DESCRIPTOR, *(resource.path for resource in package.resources)}


def _put_in_place(aside: Path, target: Path) -> None:
    """Renames a whole folder to its name; what had the name before comes back if that fails."""
    os.umask(mask := os.umask(0o077))  # it can only be read by setting it
    aside.chmod(0o777 & ~mask)
    if not target.exists():
        aside.rename(target)
        return
    before = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}."))
    target.rename(before)  # an empty folder is replaced
    try:
        aside.rename(target)
    except OSError:
        before.rename(target)
        raise
    shutil.rmtree(before)
