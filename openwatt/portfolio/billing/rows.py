"""The rows of results: columns of a batch as the kernel computes them, and one row as a value."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from openwatt.domain.contract import PriceBasis
from openwatt.domain.legal_time import Minutes
from openwatt.domain.tariff import SourceKind
from openwatt.domain.whole_arrays import Whole


class HomeRow(NamedTuple):
    """One home and contract; a home that failed has one row without contract, its `reason` says why.

    Days exclude the end. Amounts are in EUR, rounded to the cent, the rest exact. A year's are
    None where the span cannot stand for one. The baseline is the regulated tariff in BASE.
    `unseen_registers` did not run in the span.
    `reason` also says what a total leaves out, or why a contract has none. What stands after it is of
    today's prices alone: an `outdated` price was last seen before it was overtaken and cannot be today's,
    and `source_kind` is who says it.
    """

    home: str
    supplier: str | None = None
    offer: str | None = None
    option: str | None = None
    power_kva: int | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    kwh: Decimal | None = None
    total_ttc_eur: Decimal | None = None
    total_ht_eur: Decimal | None = None
    total_ttc_eur_per_year: Decimal | None = None
    saving_against_regulated_eur: Decimal | None = None
    saving_against_regulated_eur_per_year: Decimal | None = None
    saving_against_baseline_eur: Decimal | None = None
    saving_against_baseline_eur_per_year: Decimal | None = None
    closed_to_new_customers: bool | None = None
    whole: bool | None = None
    expected_half_hours: int | None = None
    present_half_hours: int | None = None
    reason: str | None = None
    unseen_registers: str | None = None
    outdated: bool | None = None
    last_seen_on: dt.date | None = None
    overtaken_on: dt.date | None = None
    source_kind: SourceKind | None = None

    @property
    def failed(self) -> bool:
        """Whether the home could not be billed."""
        return self.supplier is None


def columns_of(prices: PriceBasis) -> Sequence[str]:
    """The fields of a row that results have: what is of today's prices alone only with these."""
    of_today = ("outdated", "last_seen_on", "overtaken_on", "source_kind")
    return [name for name in HomeRow._fields if prices == "now" or name not in of_today]


class CodedColumn(NamedTuple):
    """A column of values that many rows share: that of row n is `values[codes[n]]`."""

    values: Sequence[object]
    codes: Minutes

    def cells(self) -> list[object]:
        """The value of each row."""
        return [self.values[code] for code in self.codes.tolist()]


class ExactColumn(NamedTuple):
    """A column of exact numbers: that of row n is `units[n]` / 10^decimals where `known[n]`, else None."""

    units: Whole
    known: npt.NDArray[np.bool_]
    decimals: int = 2

    def cells(self) -> list[Decimal | None]:
        """The value of each row."""
        pairs = zip(self.units.tolist(), self.known.tolist(), strict=True)
        return [Decimal(units).scaleb(-self.decimals) if known else None for units, known in pairs]


ResultColumn = CodedColumn | ExactColumn


@dataclass(frozen=True, slots=True, eq=False)
class HomeRows:
    """The rows of some homes as columns, by the names of `HomeRow`; iterated, they are such rows.

    A column that is absent is None in every row.
    """

    count: int
    columns: Mapping[str, ResultColumn]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[HomeRow]:
        cells = {name: column.cells() for name, column in self.columns.items()}
        nothing: list[object] = [None] * self.count
        return map(HomeRow._make, zip(*(cells.get(name, nothing) for name in HomeRow._fields), strict=True))

    def failed(self) -> int:
        """How many homes could not be billed: each has one row without a supplier."""
        column = self.columns.get("supplier")
        if not isinstance(column, CodedColumn):
            return self.count
        without = np.array([value is None for value in column.values], dtype=np.bool_)
        return int(without[column.codes].sum())

    def take(self, order: Minutes) -> "HomeRows":
        """Some of the rows, in an order."""
        columns = {name: _taken(column, order) for name, column in self.columns.items()}
        return HomeRows(len(order), columns)


def joined(several: Sequence[HomeRows]) -> HomeRows:
    """The rows of each, one after another."""
    names = dict.fromkeys(name for rows in several for name in rows.columns)
    columns = {name: _joined([(rows.columns.get(name), len(rows)) for rows in several]) for name in names}
    return HomeRows(sum(map(len, several)), columns)


def _taken(column: ResultColumn, order: Minutes) -> ResultColumn:
    if isinstance(column, CodedColumn):
        return column._replace(codes=column.codes[order])
    return column._replace(units=column.units[order], known=column.known[order])


def _joined(parts: Sequence[tuple[ResultColumn | None, int]]) -> ResultColumn:
    """A column whose parts are of one kind, or absent over so many rows."""
    amounts = [part for part, _ in parts if isinstance(part, ExactColumn)]
    if amounts:
        nothing = np.zeros(1, dtype=np.int64)
        units = [part.units if isinstance(part, ExactColumn) else nothing.repeat(n) for part, n in parts]
        known = [
            part.known if isinstance(part, ExactColumn) else np.zeros(n, dtype=np.bool_) for part, n in parts
        ]
        return ExactColumn(np.concatenate(units), np.concatenate(known), amounts[0].decimals)
    values: list[object] = [None]
    codes = []
    for part, n in parts:
        if isinstance(part, CodedColumn):
            codes.append(part.codes + len(values))
            values += part.values
        else:
            codes.append(np.zeros(n, dtype=np.int64))
    return CodedColumn(values, np.concatenate(codes))
