"""The table of homes that a summary counts: DuckDB reads the results once, with bounded memory."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.summary.figures import Against, SavingsPeriod
from openwatt.portfolio.summary.lines import GroupSize, GroupValues
from openwatt.portfolio.summary.results_files import ResultsFiles

#: DuckDB writes to a temporary folder what does not fit into this.
_MOST_MEMORY = "1GB"
_NEEDED = (
    "home",
    "supplier",
    "offer",
    "option",
    "start",
    "end",
    "total_ttc_eur",
    "whole",
    "closed_to_new_customers",
    "unseen_registers",
)
_SAVINGS: Mapping[Against, str] = {
    "base": "saving_against_baseline_eur",
    "option": "saving_against_regulated_eur",
}
_PERIODS: Mapping[SavingsPeriod, str] = {"year": "saving_per_year", "span": "saving_over_span"}
#: Ends of the names of columns that differ from home to home, or say something of one.
_NO_GROUPS = ("home", "kwh", "_eur", "_per_year", "_half_hours", "reason")


class HomesTable:
    """One row for each home of some results: its cheapest contract, its saving, its groups."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def load(
        self, results: ResultsFiles, groups: ResultsFiles | None, by: Sequence[str], against: Against
    ) -> None:
        """Reads the results, and the file of groups.

        Raises:
            PortfolioError: when they are no results of a portfolio, or in another order, and
                when a column of `by` is nowhere.
        """
        columns = self._open("results", results)
        if missing := [name for name in (*_NEEDED, _SAVINGS[against]) if name not in columns]:
            raise PortfolioError(_not_ours(missing, against))
        of_groups = self._open_groups(groups, by) if groups else []
        self._check_columns(by, columns, of_groups)
        tables = ["groups" if name in of_groups else "in_order" for name in by]
        self._run(
            "homes",
            saving_per_year=f"{_SAVINGS[against]}_per_year",
            saving_over_span=_SAVINGS[against],
            outdated="outdated" if "outdated" in columns else "null",
            result_columns="".join(
                f", {_quoted(name)} as by_{n}" for n, name in enumerate(by) if name not in of_groups
            ),
            columns="".join(
                f", nullif(cast({table}.by_{n} as varchar), '') as by_{n}" for n, table in enumerate(tables)
            ),
            joined="left join groups on groups.home = in_order.home" if of_groups else "",
        )
        repeated, is_disorder, ranks_outdated = self._run("checks")[0]
        if repeated or is_disorder:
            raise PortfolioError(
                "the rows are in another order than `openwatt portfolio` writes: those of one home together, "
                "from the cheapest; name the file that it wrote"
            )
        self._run("ranked", ranks_outdated=str(ranks_outdated).lower())

    def group_sizes(self, by: Sequence[str], period: SavingsPeriod) -> Mapping[GroupValues, GroupSize]:
        """The size of each group; without columns, all homes are one."""
        columns = "".join(f"{name}, " for name in _numbered(by))
        found = self._run("group_sizes", columns=columns, saving=_PERIODS[period])
        return {row[: len(by)]: GroupSize(*row[len(by) :]) for row in found}

    def set_lines(self, shown: Sequence[GroupValues], by: Sequence[str], period: SavingsPeriod) -> None:
        """Gives each of the shown groups the line of its number, and all others one together."""
        self._run(
            "shown",
            {name: [group[n] for group in shown] for n, name in enumerate(_numbered(by))}
            | {"lines": list(range(len(shown)))},
            columns="".join(f"cast(unnest(${name}) as varchar) as {name}, " for name in _numbered(by)),
        )
        same = " and ".join(f"ranked.{name} is not distinct from shown.{name}" for name in _numbered(by))
        self._run("lined", saving=_PERIODS[period], joined=f"left join shown on {same or 'false'}")

    def extent(self) -> tuple[Any, ...]:
        """How many homes have figures for a year and for their span, and the days of all bills."""
        return self._run("extent")[0]

    def counts(self) -> Sequence[tuple[Any, ...]]:
        """Line by line what is counted; the line None is that of all homes, -1 that of the others."""
        return self._run("counts")

    def offers(self, most: int) -> Sequence[tuple[Any, ...]]:
        """Line by line the contracts that are cheapest most often."""
        return self._run("offers", {"most": most})

    def quantiles(self, percents: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        """Line by line each quantile of the savings."""
        return self._run("quantiles", {"percents": [str(percent) for percent in percents]})

    def homes_beyond(self) -> int:
        """How many homes the file of groups names that are not in the results."""
        return int(self._run("groups_beyond")[0][0])

    def _open(self, name: str, found: ResultsFiles) -> Sequence[str]:
        """Makes a view of files and returns its columns."""
        connection = self._connection
        if not found.is_local:
            connection.register_filesystem(found.files)
        addresses = list(found.addresses)
        if found.form == "parquet":
            connection.read_parquet(addresses).create_view(name)
        else:
            connection.read_csv(
                addresses,
                header=True,
                all_varchar=True,
                delimiter=_delimiter(found),
                quotechar='"',
                escapechar='"',
            ).create_view(name)
        return connection.table(name).columns

    def _open_groups(self, groups: ResultsFiles, by: Sequence[str]) -> Sequence[str]:
        """Reads the file of groups and returns its columns but the home."""
        columns = self._open("groups_file", groups)
        if "home" not in columns:
            raise PortfolioError(f"the file of groups has no column home, but {', '.join(columns)}")
        wanted = ((n, name) for n, name in enumerate(by) if name in columns)
        self._run("groups", columns="".join(f", {_quoted(name)} as by_{n}" for n, name in wanted))
        if repeated := self._run("groups_checks")[0][0]:
            raise PortfolioError(f"the file of groups names {repeated:,} homes more than once")
        return [name for name in columns if name != "home"]

    def _check_columns(self, by: Sequence[str], columns: Sequence[str], of_groups: Sequence[str]) -> None:
        """Refuses columns that are nowhere, or that are of each home alone."""
        there = [name for name in columns if not name.endswith(_NO_GROUPS)]
        there += [name for name in of_groups if name not in there]
        if unknown := [name for name in by if name not in there]:
            raise PortfolioError(
                f"no group can be made by {', '.join(unknown)}: there is {', '.join(there)}"
                + ("" if of_groups else " (--groups FILE brings columns of your own)")
            )

    def _run(self, statement: str, parameters: Any = None, /, **places: str) -> list[tuple[Any, ...]]:
        """The rows of one of the statements in the folder `sql`."""
        text = (files(__package__) / "sql" / f"{statement}.sql").read_text("utf-8")
        return self._connection.execute(text.format_map(places) if places else text, parameters).fetchall()


@contextmanager
def open_homes_table() -> Iterator[HomesTable]:
    """An empty table, in a database of a temporary folder that is removed.

    Raises:
        PortfolioError: when what is to be read cannot be, or is of another form.
    """
    with tempfile.TemporaryDirectory(prefix="openwatt-summary-") as folder:
        try:
            with duckdb.connect(Path(folder) / "homes.duckdb") as connection:
                connection.execute(
                    f"set memory_limit = '{_MOST_MEMORY}'; set enable_progress_bar = false; "
                    "set preserve_insertion_order = true; set autoinstall_known_extensions = false; "
                    "set autoload_known_extensions = false"
                )
                yield HomesTable(connection)
        except duckdb.Error as error:
            raise PortfolioError(_sentence_of(error)) from None


def _delimiter(found: ResultsFiles) -> str:
    """What parts the cells: a comma, or a semicolon as in files that French spreadsheets write."""
    with found.files.open(found.addresses[0]) as stream:
        return ";" if b";" in stream.readline() else ","


def _sentence_of(error: duckdb.Error) -> str:
    """What DuckDB says of a file, in one line and without the values of a row."""
    if isinstance(error, duckdb.ConversionException):
        return (
            "a cell of the results is no value of its column: name the file that `openwatt portfolio` wrote"
        )
    return f"the results cannot be summarised: {str(error).splitlines()[0]}"


def _not_ours(missing: Sequence[str], against: Against) -> str:
    if missing == [_SAVINGS[against]]:
        return (
            f"the results have no column {missing[0]}, for an earlier version wrote them: bill the homes "
            "again, or add --against option"
        )
    return (
        f"these are no results of `openwatt portfolio`: they have no column {', '.join(missing)}; "
        "name what --out has written"
    )


def _numbered(by: Sequence[str]) -> Sequence[str]:
    return [f"by_{number}" for number in range(len(by))]


def _quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
