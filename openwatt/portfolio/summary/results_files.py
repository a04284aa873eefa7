"""The files of a portfolio's results: one file, or a dataset's, on a disk or at an fsspec address."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import fsspec

from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.results.output import MANIFEST
from openwatt.portfolio.results.storage import AddressFolder, without_credentials

#: The key of the manifest in the metadata of a Parquet file.
_METADATA = b"openwatt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFiles:
    """Addresses that a file system opens, the form of what lies there, and its manifest if there is one."""

    files: fsspec.AbstractFileSystem
    addresses: Sequence[str]
    form: Literal["csv", "parquet"]
    manifest: Mapping[str, Any]

    @property
    def is_local(self) -> bool:
        """Whether the addresses are paths of this machine."""
        return _is_local(self.files)

    @property
    def market(self) -> str | None:
        """The checksum of the run's market."""
        return self.manifest.get("market_sha256")

    @property
    def homes(self) -> int | None:
        """The homes of the run."""
        return self.manifest.get("homes")

    @property
    def made_on(self) -> dt.date | None:
        """The day that was today for the run."""
        today = self.manifest.get("today")
        return None if today is None else dt.date.fromisoformat(today)


def find_results(address: str) -> ResultsFiles:
    """The results at a path or an address such as s3://bucket/results.

    Raises:
        PortfolioError: when there are none, a dataset is not finished, or the library of
            such an address is not installed.
    """
    with _opened(address) as (files, path):
        if files.isdir(path):
            return _dataset(without_credentials(address), files, path)
        if not files.exists(path):
            shown = without_credentials(address)
            raise PortfolioError(f"{shown} is not there: name what `openwatt portfolio --out` has written")
        form = _form_of(address)
        manifest = _manifest_of_file(files, path) if form == "parquet" else {}
        return _found(files, [path], form, manifest)


def find_table(address: str) -> ResultsFiles:
    """The one CSV or Parquet file at a path or address.

    Raises:
        PortfolioError: when there is none.
    """
    with _opened(address) as (files, path):
        if not files.isfile(path):
            raise PortfolioError(f"{without_credentials(address)} is no file")
        return _found(files, [path], _form_of(address), {})


@contextmanager
def _opened(address: str) -> Iterator[tuple[fsspec.AbstractFileSystem, str]]:
    """The file system of an address and the path in it; errors are said without credentials."""
    if "://" in address:
        AddressFolder(address).check()
    files, path = fsspec.core.url_to_fs(address)
    try:
        yield files, path
    except PortfolioError:
        raise
    except Exception as error:  # noqa: BLE001 (each store has its own)
        shown, reason = without_credentials(address), getattr(error, "strerror", None)
        raise PortfolioError(f"{shown} cannot be read: {reason or type(error).__name__}") from None


def _dataset(shown: str, files: fsspec.AbstractFileSystem, path: str) -> ResultsFiles:
    """The parts that the manifest of a dataset names."""
    names = {one.rstrip("/").rpartition("/")[2] for one in files.ls(path, detail=False)}
    if MANIFEST not in names:
        raise PortfolioError(
            f"{shown} has no {MANIFEST}, so the run is not finished: add --resume to its command"
            if any(name.startswith("part-") for name in names)
            else f"{shown} holds no results: it has neither parts nor {MANIFEST}"
        )
    try:
        manifest = json.loads(files.cat_file(f"{path}/{MANIFEST}"))
        parts = [part["name"] for part in manifest["parts"]]
    except (ValueError, TypeError, KeyError):
        raise PortfolioError(f"{MANIFEST} in {shown} is damaged: bill the homes again") from None
    if missing := [name for name in parts if name not in names]:
        raise PortfolioError(f"{missing[0]} is not in {shown}, whose {MANIFEST} names it: was it moved?")
    return _found(files, [f"{path}/{name}" for name in parts], "parquet", manifest)


def _found(
    files: fsspec.AbstractFileSystem,
    paths: Sequence[str],
    form: Literal["csv", "parquet"],
    manifest: Mapping[str, Any],
) -> ResultsFiles:
    return ResultsFiles(
        files=files,
        addresses=paths if _is_local(files) else [files.unstrip_protocol(path) for path in paths],
        form=form,
        manifest=manifest,
    )


def _manifest_of_file(files: fsspec.AbstractFileSystem, path: str) -> Mapping[str, Any]:
    """The manifest in the metadata of a Parquet file; what is no Parquet is found when it is read."""
    import pyarrow as pa  # noqa: PLC0415 (only this form needs it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with files.open(path) as stream:
            metadata = pq.read_metadata(stream).metadata or {}
        manifest = json.loads(metadata.get(_METADATA, b"{}"))
    except (pa.ArrowException, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _form_of(address: str) -> Literal["csv", "parquet"]:
    for form in ("csv", "parquet"):
        if address.endswith(f".{form}"):
            return form
    shown = without_credentials(address)
    raise PortfolioError(f"{shown} ends neither in .csv nor in .parquet, so its form is not known")


def _is_local(files: fsspec.AbstractFileSystem) -> bool:
    return "file" in files.protocol
