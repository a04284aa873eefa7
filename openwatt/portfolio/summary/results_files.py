"""The files of a portfolio's results: one file, or a dataset's, on a disk or at an fsspec address."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import fsspec

from openwatt.portfolio.errors import PortfolioError

MANIFEST = "_manifest.json"
_PARTS = "part-*.parquet"


@dataclass(frozen=True, slots=True)
class ResultsFiles:
    """Addresses that a file system opens, the form of what lies there, and the manifest of a dataset."""

    files: fsspec.AbstractFileSystem
    addresses: Sequence[str]
    form: Literal["csv", "parquet"]
    manifest: Mapping[str, Any]

    @property
    def is_local(self) -> bool:
        """Whether the addresses are paths of this machine."""
        return "file" in _protocols(self.files)

    @property
    def market(self) -> str | None:
        """The checksum of the market, where the manifest names it."""
        market = self.manifest.get("market")
        return market if isinstance(market, str) else None

    @property
    def made_on(self) -> dt.date | None:
        """The day that was today for the run, where the manifest names it."""
        try:
            return dt.date.fromisoformat(self.manifest["today"])
        except (KeyError, TypeError, ValueError):
            return None


def find_results(address: str) -> ResultsFiles:
    """The results at a path or an address such as s3://bucket/results.

    Raises:
        PortfolioError: when there are none, a dataset is not finished, or the library of
            such an address is not installed.
    """
    files, path = _opened(address)
    try:
        if files.isdir(path):
            return _dataset(address, files, path)
        if not files.exists(path):
            raise PortfolioError(f"{address} is not there: name what `openwatt portfolio --out` has written")
    except OSError as error:
        raise PortfolioError(f"{address} cannot be read: {error.strerror or error}") from error
    return ResultsFiles(files, [_address(files, path)], _form_of(address), {})


def find_table(address: str) -> ResultsFiles:
    """The one CSV or Parquet file at a path or address."""
    files, path = _opened(address)
    if not files.isfile(path):
        raise PortfolioError(f"{address} is no file")
    return ResultsFiles(files, [_address(files, path)], _form_of(address), {})


def _opened(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise PortfolioError(f"{address} cannot be read: {error}") from None
    except ValueError as error:
        raise PortfolioError(f"{address} is no address that fsspec reads: {error}") from None
    return files, str(path)


def _dataset(address: str, files: fsspec.AbstractFileSystem, path: str) -> ResultsFiles:
    parts = sorted(files.glob(f"{path}/{_PARTS}"))
    if not files.exists(f"{path}/{MANIFEST}"):
        raise PortfolioError(
            f"{address} is an unfinished run, for it has no {MANIFEST}: add --resume to the command that "
            "wrote it"
            if parts
            else f"{address} holds no results: it has neither {_PARTS} nor {MANIFEST}"
        )
    try:
        manifest = json.loads(files.cat_file(f"{path}/{MANIFEST}"))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise PortfolioError(f"{MANIFEST} of {address} is damaged: bill the homes again")
    if not parts:
        raise PortfolioError(f"{address} has a {MANIFEST} but no {_PARTS}: were its files moved?")
    return ResultsFiles(files, [_address(files, part) for part in parts], "parquet", manifest)


def _form_of(address: str) -> Literal["csv", "parquet"]:
    for form in ("csv", "parquet"):
        if address.endswith(f".{form}"):
            return form
    raise PortfolioError(f"{address} ends neither in .csv nor in .parquet, so its form is not known")


def _address(files: fsspec.AbstractFileSystem, path: str) -> str:
    return path if "file" in _protocols(files) else str(files.unstrip_protocol(path))


def _protocols(files: fsspec.AbstractFileSystem) -> Sequence[str]:
    return (files.protocol,) if isinstance(files.protocol, str) else files.protocol
