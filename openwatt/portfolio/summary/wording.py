"""The words and numbers of a summary in a language: names of groups, notes and the line of its source."""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from openwatt import __version__
from openwatt.domain.bill import rounded
from openwatt.domain.messages import Message
from openwatt.portfolio.summary.figures import CheapestOffer, GroupFigures, PortfolioSummary
from openwatt.sentences.catalogue import sentence

_MINUS = "\N{MINUS SIGN}"
#: Columns of results that have a name for readers; those of a file of groups have their own.
_NAMED = ("power_kva", "option", "supplier", "offer")
#: Between the values of a group of several columns.
_BETWEEN = " · "
#: As much of a checksum as tells it from others.
_CHECKSUM = 12


class Wording:
    """The words of one summary in one language."""

    def __init__(self, summary: PortfolioSummary, code: str) -> None:
        self._summary = summary
        self._code = code

    def text(self, key: str, **values: int | str | Message) -> str:
        """A text of the catalogue's section `summary`."""
        return sentence(Message.of(f"summary.{key}", **values), self._code)

    def whole_eur(self, amount: Decimal) -> str:
        """An amount rounded to the euro, with its thousands apart and a true minus sign."""
        euros = rounded(Fraction(amount), 0)
        text = sentence(Message.amount(abs(euros)), self._code)
        return f"{_MINUS}{text}" if euros < 0 else text

    def eur(self, amount: Decimal) -> str:
        """An amount rounded to the euro, with its sign and its unit."""
        text = self.text("eur", amount=self.whole_eur(abs(amount)))
        return f"{_MINUS}{text}" if rounded(Fraction(amount), 0) < 0 else text

    def decimal(self, number: Decimal) -> str:
        """A number that is not below 0, with its decimals."""
        return sentence(Message.amount(number), self._code)

    def number(self, count: int) -> str:
        """A whole number that is not below 0, with its thousands apart."""
        return sentence(Message.amount(Decimal(count)), self._code)

    def percent(self, number: Decimal) -> str:
        """A percentage."""
        return self.text("percent", percent=self.decimal(number))

    def percents(self) -> Sequence[str]:
        """The names of the quantiles."""
        return [self.percent(one) for one in self._summary.percents]

    def groups_head(self) -> str:
        """The names of the columns that groups are made by."""
        names = [self.text(name) if name in _NAMED else name for name in self._summary.by]
        return _BETWEEN.join(names) or self.text("group")

    def group(self, line: GroupFigures) -> str:
        """The name of a group, or of the line that is none."""
        if line.group is not None:
            values = line.group.values()
            return _BETWEEN.join(self.text("unknown") if value is None else value for value in values)
        return self.text("others", groups=line.merged_groups) if line.merged_groups else self.text("all")

    def offer(self, one: CheapestOffer) -> str:
        """The share of homes for which a contract is the cheapest, and its name."""
        return f"{self.percent(one.share_percent)} {contract_name(one)}"

    def unit(self) -> str:
        """What savings are in, and what they are against."""
        summary = self._summary
        return f"{self.text(f'saving_{summary.period}')}, {self.text(f'against_{summary.against}')}"

    def how_to_read(self) -> str:
        """How the quantiles are drawn."""
        percents, pairs = self.percents(), []
        for number in range(len(percents) // 2):
            key = "drawn_line" if number == 0 else "drawn_bar"
            pairs.append(self.text(key, low=percents[number], high=percents[-1 - number]))
        if len(percents) % 2:
            pairs.append(self.text("drawn_stroke", percent=percents[len(percents) // 2]))
        return ", ".join(pairs)

    def notes(self) -> Iterator[str]:
        """What the figures leave out, and what they are of."""
        summary, total = self._summary, self._summary.total
        reasons = {
            "failed_homes": total.failed,
            "unranked_homes": total.unranked,
            f"uncompared_{summary.period}": total.uncompared,
        }
        if without := sum(reasons.values()):
            listed = ", ".join(self.text(key, homes=count) for key, count in reasons.items() if count)
            yield self.text("without", homes=without, of=total.homes, reasons=listed)
        if total.closed_to_new_customers:
            yield self.text("closed", homes=total.closed_to_new_customers)
        if summary.period == "span" and (days := summary.days):
            key = "no_year" if days.fewest == days.most else "no_year_mixed"
            yield self.text(key, fewest=days.fewest, **({"most": days.most} if key != "no_year" else {}))
        if summary.others is not None and summary.least_homes > 1:
            yield self.text("least", homes=summary.least_homes)
        if summary.unknown_homes:
            yield self.text("unknown_homes", homes=summary.unknown_homes)

    def source(self, today: dt.date) -> str:
        """Where the figures come from: the homes, the days, and the market by its checksum."""
        summary = self._summary
        parts = [self.text("source_homes", homes=summary.total.homes)]
        if days := summary.days:
            last = days.end - dt.timedelta(days=1)
            parts.append(self.text("bills", start=Message.day(days.start), end=Message.day(last)))
        if summary.made_on:
            parts.append(self.text("source_made_on", day=Message.day(summary.made_on)))
        if summary.market:
            parts.append(self.text("source_market", checksum=summary.market[:_CHECKSUM]))
        parts.append(self.text("source_drawn_on", day=Message.day(today)))
        return self.text("source", version=__version__, parts=", ".join(parts))


def contract_name(one: CheapestOffer) -> str:
    """Supplier, offer and option."""
    return f"{one.supplier} {one.offer} {one.option}"
