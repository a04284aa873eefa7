"""The summary of a portfolio's results, by groups of homes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from openwatt.domain.bill import rounded
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.summary.figures import (
    Against,
    CheapestOffer,
    GroupFigures,
    GroupKey,
    GroupSavings,
    PortfolioSummary,
    QuantileOfSavings,
    SavingsPeriod,
    SummaryDays,
)
from openwatt.portfolio.summary.homes_table import HomesTable, open_homes_table
from openwatt.portfolio.summary.lines import GroupSize, shown_groups, total_size
from openwatt.portfolio.summary.results_files import find_results, find_table

#: The cheapest and the runner-up.
_OFFERS = 2
#: The line of the groups that have none of their own, as SQL numbers it; that of all homes is None.
_OTHERS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryTerms:
    """What is wanted of a summary: the groups, the baseline, the quantiles, and which groups are shown."""

    by: Sequence[str] = ()
    groups: str | None = None
    against: Against = "base"
    percents: Sequence[Decimal]
    limit: int
    least: int


def summarise(results: str, terms: SummaryTerms) -> PortfolioSummary:
    """Counts the homes of results, at a path or an fsspec address, by group.

    Raises:
        PortfolioError: when there are no such results or groups, when no home was billed,
            or when there are fewer homes than a group must have.
    """
    found = find_results(results)
    with open_homes_table() as table:
        table.load(found, find_table(terms.groups) if terms.groups else None, terms.by, terms.against)
        failed, per_year, per_span, *days = table.extent()
        period: SavingsPeriod = "year" if per_year or not per_span else "span"
        sizes = table.group_sizes(terms.by, period)
        _check(total_size(sizes.values()), failed, found.homes, terms)
        shown = shown_groups(sizes, limit=terms.limit, least=terms.least) if terms.by else []
        table.set_lines(shown, terms.by, period)
        lines = _Lines(table, terms)
        hidden = len(sizes) - len(shown)
        return PortfolioSummary(
            made_on=found.made_on,
            market=found.market,
            against=terms.against,
            period=period,
            days=SummaryDays(*days) if days[0] else None,
            by=terms.by,
            percents=sorted(terms.percents),
            least_homes=terms.least,
            total=lines.figures(None, None, 0),
            groups=[
                lines.figures(number, dict(zip(terms.by, group, strict=True)), 0)
                for number, group in enumerate(shown)
            ],
            others=lines.figures(_OTHERS, None, hidden) if terms.by and hidden else None,
            unknown_homes=table.homes_beyond() if terms.groups else 0,
        )


def _check(size: GroupSize, failed: int, named: int | None, terms: SummaryTerms) -> None:
    """Refuses homes that are not all, or have nothing to show."""
    if named is not None and named != size.homes:
        raise PortfolioError(
            f"the results hold {size.homes:,} homes and the run billed {named:,}: was a file changed?"
        )
    if failed == size.homes:
        raise PortfolioError("no home was billed: the column reason of the results says why")
    if not size.may_be_shown(terms.least):
        raise PortfolioError(
            f"fewer than {terms.least} homes can be compared, the least of a group that is shown; "
            "--least 1 shows groups of any size"
        )


class _Lines:
    """The figures of each line, as the table counts them."""

    def __init__(self, table: HomesTable, terms: SummaryTerms) -> None:
        self._percents = sorted(terms.percents)
        self._counts = {line: counts for line, *counts in table.counts()}
        self._offers = _by_line(table.offers(_OFFERS))
        self._quantiles = _by_line(table.quantiles(terms.percents))

    def figures(self, line: int | None, group: GroupKey | None, merged: int) -> GroupFigures:
        """The figures of one line."""
        homes, failed, unranked, ranked, closed, compared, *_ = self._counts[line]
        return GroupFigures(
            group=group,
            merged_groups=merged,
            homes=homes,
            failed=failed,
            unranked=unranked,
            uncompared=ranked - compared,
            closed_to_new_customers=closed,
            cheapest=[
                CheapestOffer(supplier, offer, option, count, _percent(count, ranked))
                for supplier, offer, option, count in self._offers.get(line, ())
            ],
            savings=self._savings(line) if compared else None,
        )

    def _savings(self, line: int | None) -> GroupSavings:
        *_, compared, would_save, total = self._counts[line]
        return GroupSavings(
            homes=compared,
            would_save=would_save,
            would_save_percent=_percent(would_save, compared),
            mean_eur=rounded(Fraction(total) / compared, 2),
            sum_eur=total,
            quantiles=[
                QuantileOfSavings(percent, saving)
                for percent, (_, saving) in zip(self._percents, sorted(self._quantiles[line]), strict=True)
            ],
        )


def _by_line(rows: Sequence[tuple[Any, ...]]) -> Mapping[int | None, Sequence[Any]]:
    lines: dict[int | None, list[Any]] = {}
    for line, *values in rows:
        lines.setdefault(line, []).append(values)
    return lines


def _percent(part: int, whole: int) -> Decimal:
    """A share in hundredths, to one decimal."""
    return rounded(Fraction(100 * part, whole), 1)
