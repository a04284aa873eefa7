"""The forms of results: each part is written by itself, and all are joined to one file."""

import csv
import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from openwatt.portfolio.billing.rows import HomeRow, HomeRows
from openwatt.portfolio.errors import need_pyarrow


class Results(Protocol):
    """One form of results; it goes to worker processes."""

    def part(self, rows: HomeRows) -> bytes:
        """Some rows as they are written until all parts are finished."""

    def join(self, parts: Iterable[BinaryIO], stream: BinaryIO, manifest: Mapping[str, Any]) -> None:
        """Writes all parts as one file, with the manifest where the form has a place for it.

        One part is in memory at a time.
        """


class CsvResults:
    """RFC 4180 in UTF-8 with a header; what is not known is empty."""

    def __init__(self, columns: Sequence[str] = HomeRow._fields) -> None:
        self.columns = columns

    def part(self, rows: Iterable[HomeRow]) -> bytes:
        """Lines without header."""
        return _csv([_words(row, self.columns) for row in rows])

    def join(self, parts: Iterable[BinaryIO], stream: BinaryIO, manifest: Mapping[str, Any]) -> None:  # noqa: ARG002 (it has no place)
        """The header and every part."""
        stream.write(_csv([self.columns]))
        for part in parts:
            shutil.copyfileobj(part, stream)


def results_for(form: str, columns: Sequence[str] = HomeRow._fields) -> Results:
    """The results of a form, `.csv` or `.parquet`, with some columns of a row.

    Raises:
        PortfolioError: when Parquet's library is not installed.
    """
    if form == ".csv":
        return CsvResults(columns)
    need_pyarrow()
    from openwatt.portfolio.results.parquet_results import ParquetResults  # noqa: PLC0415 (an optional extra)

    return ParquetResults(columns)


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _words(row: HomeRow, columns: Sequence[str]) -> Sequence[object]:
    cells = (getattr(row, name) for name in columns)
    return [str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]
