"""The command `openwatt portfolio summary`, which counts a portfolio's results by group."""

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from openwatt.cli.console import Console
from openwatt.cli.forms import form_options, print_json
from openwatt.cli.output import write_output
from openwatt.domain.legal_time import PARIS
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.summary.csv_lines import to_csv_lines
from openwatt.portfolio.summary.figures import GroupFigures, PortfolioSummary
from openwatt.portfolio.summary.wording import Wording
from openwatt.sentences.catalogue import CODES

#: The homes that a published group of French households has at least (INSEE's rule for tax data).
_LEAST_PUBLISHED = 11
_PICTURES = (".png", ".svg")
#: What a page of a report shows that can still be read.
_MOST_IN_A_PICTURE = 60
_FILES = (".csv", ".json", *_PICTURES)


class _Percents(click.ParamType[Sequence[Decimal]]):
    """Some percentages above 0 and below 100, parted by commas."""

    name = "percents"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Sequence[Decimal]:
        """The percentages, each once, in their order."""
        try:
            percents = sorted({Decimal(text) for text in str(value).split(",")})
        except InvalidOperation:
            percents = []
        if not percents or not all(
            0 < percent < 100 and percent == round(percent, 3) for percent in percents
        ):
            self.fail(f"{value!r} is no list of percentages between 0 and 100 such as 10,50,90", param, ctx)
        return percents


@click.command("summary")
@click.argument("results", metavar="OUT")
@click.option("--by", multiple=True, metavar="COLUMN", help="A column to group by; may be repeated.")
@click.option(
    "--groups",
    metavar="FILE",
    help="A CSV or Parquet file with the column home and columns of your own: region, kind of dwelling …",
)
@click.option(
    "--against",
    type=click.Choice(["base", "option"]),
    default="base",
    show_default=True,
    help="Savings against regulated Base of the same power, or the regulated tariff of the same option.",
)
@click.option(
    "--quantiles",
    type=_Percents(),
    default="10,25,50,75,90",
    show_default=True,
    help="Quantiles of the savings, in per cent.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="The most groups, the largest; the others are one line.",
)
@click.option(
    "--least",
    type=click.IntRange(1),
    default=_LEAST_PUBLISHED,
    show_default=True,
    help="The fewest homes of a group; smaller ones are in the line of the others.",
)
@click.option(
    "--lang",
    type=click.Choice(CODES),
    default=CODES[0],
    show_default=True,
    help="The language of the table and the picture.",
)
@click.option(
    "--out",
    "files",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help=f"A file that is written too, {', '.join(_FILES)} by its ending; may be repeated.",
)
@form_options
def summary_command(
    results: str, files: Sequence[Path], lang: str, *, as_csv: bool, as_json: bool, **options: Any
) -> None:
    """Count a portfolio's results by group: cheapest offers, and what homes would save.

    OUT is what `openwatt portfolio --out` has written: a .csv, a .parquet, or the folder of a
    dataset, also at an fsspec address such as s3://bucket/results.

    Each home counts with the contract that its results rank first, if its total is whole. The
    saving is a year's (365 days) where the bills stand for a year; where none does, it is that
    of the billed days, and the summary says so. A home without a saving is counted apart.

    --by takes columns of the results (power_kva; option, supplier and offer are those of
    the cheapest contract) and of --groups, whose columns come first where both have one.
    A home that is not in the file of groups is of the group "unknown".

    No figures are of fewer homes than --least, by default the 11 that French statistics on
    households ask of what is published; --least 1 shows every group.

    A picture (.png, .svg) shows the quantiles by group, the share of homes that would save,
    and the cheapest contract.
    """
    _check_files(files, options["limit"])
    summary = _summarise(results, options)
    wording = Wording(summary, lang)
    today = dt.datetime.now(PARIS).date()
    for path in files:
        write_output(path, _content(path.suffix, summary, wording, today))
    if as_json:
        print_json(summary)
    elif as_csv:
        sys.stdout.write(to_csv_lines(summary).decode())
    else:
        _print_tables(summary, wording, today)


def _check_files(files: Sequence[Path], limit: int) -> None:
    """Refuses a form that is not known, and a picture that could not be read, before anything is counted."""
    for path in files:
        if path.suffix not in _FILES:
            raise PortfolioError(f"{path} ends in none of {', '.join(_FILES)}, so its form is not known")
    if any(path.suffix in _PICTURES for path in files):
        _need("matplotlib", "a picture")
        if limit > _MOST_IN_A_PICTURE:
            raise PortfolioError(
                f"a picture shows at most {_MOST_IN_A_PICTURE} groups: give a smaller --limit"
            )


def _summarise(results: str, options: Mapping[str, Any]) -> PortfolioSummary:
    for library in ("duckdb", "fsspec"):
        _need(library, "a summary")
    from openwatt.portfolio.summary.summarise import SummaryTerms, summarise  # noqa: PLC0415 (optional extra)

    with Console(stderr=True).status("counting homes"):
        return summarise(
            results,
            SummaryTerms(
                by=list(dict.fromkeys(options["by"])),
                groups=options["groups"],
                against=options["against"],
                percents=options["quantiles"],
                limit=options["limit"],
                least=options["least"],
            ),
        )


def _need(library: str, what: str) -> None:
    try:
        import_module(library)
    except ImportError:
        message = f"{what} needs the extra `portfolio`: pip install 'openwatt[portfolio]'"
        raise PortfolioError(message) from None


def _content(suffix: str, summary: PortfolioSummary, wording: Wording, today: dt.date) -> bytes:
    """The bytes of a file, whose ending says its form."""
    if suffix == ".csv":
        return to_csv_lines(summary)
    if suffix == ".json":
        encoded = msgspec.json.Encoder(decimal_format="number").encode(summary)
        return msgspec.json.format(encoded, indent=2) + b"\n"
    from openwatt.portfolio.summary.picture import draw_summary  # noqa: PLC0415 (an optional extra)

    return draw_summary(summary, wording, today, "png" if suffix == ".png" else "svg")


def _print_tables(summary: PortfolioSummary, wording: Wording, today: dt.date) -> None:
    """The cheapest contracts, the savings, and what both rest on."""
    lines = [*summary.groups, *([summary.others] if summary.others else []), summary.total]
    console = Console()
    for table in (_offers(wording, lines), _savings(wording, lines)):
        console.print(table, highlight=False)
    texts = [*wording.notes(), wording.text("would_save_of"), wording.text("quantile")]
    for text in (*texts, wording.text("rounded"), wording.source(today)):
        console.print(text, highlight=False, markup=False)


def _offers(wording: Wording, lines: Sequence[GroupFigures]) -> Table:
    table = _table(wording, wording.text("offers_title"))
    for name in ("homes", "failed", "no_saving"):
        table.add_column(wording.text(name), justify="right", no_wrap=True)
    for name in ("cheapest", "runner_up"):
        table.add_column(wording.text(name), ratio=1, overflow="fold")
    for line in lines:
        compared = line.savings.homes if line.savings else 0
        counts = (line.homes, line.failed, line.homes - compared - line.failed)
        offers = [wording.offer(one) for one in line.cheapest]
        cells = [wording.group(line), *map(wording.number, counts), *offers]
        table.add_row(*map(Text, cells), style=_style(line))
    return table


def _savings(wording: Wording, lines: Sequence[GroupFigures]) -> Table:
    table = _table(wording, f"{wording.text('title')}\n{wording.unit()}")
    heads = [wording.text("would_save"), *wording.percents(), wording.text("mean"), wording.text("sum")]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        cells: Sequence[str] = []
        if one := line.savings:
            amounts = [*(quantile.eur for quantile in one.quantiles), one.mean_eur, one.sum_eur]
            cells = [wording.percent(one.would_save_percent), *map(wording.whole_eur, amounts)]
        table.add_row(Text(wording.group(line)), *cells, style=_style(line))
    return table


def _table(wording: Wording, title: str) -> Table:
    """A table whose first column is the group."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(Text(wording.groups_head()), overflow="fold")
    return table


def _style(line: GroupFigures) -> str | None:
    """All homes stand out."""
    return "bold" if line.group is None and not line.merged_groups else None
