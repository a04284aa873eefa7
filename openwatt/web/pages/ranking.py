"""The lines of the ranking that answers a customer, what each opens to, and the choice among them."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Self

from openwatt.comparison.question import CustomerQuestion
from openwatt.domain.bill import to_cents
from openwatt.domain.comparison import Comparison, ContractKey, Ranked
from openwatt.domain.contract import Contract, PriceDocument, PricePeriod
from openwatt.domain.freshness import DataStatus
from openwatt.domain.messages import Message
from openwatt.domain.offer_terms import OfferTerms
from openwatt.domain.tariff import OPTIONS, per_month
from openwatt.representations.figures import cents
from openwatt.store.tariffs import PublishedTariff
from openwatt.web.http.app_state import app_state
from openwatt.web.pages.judged_tariffs import judged_tariffs
from openwatt.web.pages.rendering import link

_MONTHS = 12
#: Days since a price was last seen, as the form offers them.
SEEN_DAYS = (31, 92, 183, 366)


class PriceAge(NamedTuple):
    """Of a price: its first day, and how far to trust it today."""

    applies_from: dt.date
    status: DataStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDetails:
    """What a line opens to: the prices, what the offer promises, and where to go."""

    prices: Mapping[str, Decimal]
    """EUR per kWh by register with all taxes."""
    subscription_per_month: Decimal | None
    since: dt.date | None
    """The first day of these prices, where the answer has others for the days before."""
    terms: OfferTerms | None
    sources: Sequence[PriceDocument]
    sheet_url: str | None
    page_url: str | None
    history: str

    @property
    def supplier_url(self) -> str | None:
        """The supplier's own address: of the offer, else of its sheet."""
        return self.page_url or self.sheet_url


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingLine:
    """One contract of the answer; `width` is in hundredths of the dearest.

    Amounts are in EUR for 365 days, or for the span alone where that cannot stand for a year,
    or where the total is not whole.
    """

    place: int | None
    """Its place in the ranking; None for a price that cannot be today's."""
    contract: Contract
    total: Decimal
    per_month: Decimal | None
    width: Decimal
    saving: Decimal | None
    """Against the baseline of the whole ranking; negative where it costs more."""
    saving_same_option: Decimal | None
    """Against the regulated tariff of the same option."""
    regulated: bool
    present: bool
    baseline: bool
    closed: bool
    whole: bool
    partial: Sequence[Message]
    unseen: tuple[str, ...]
    secondary: bool
    """Whether its price was taken from somebody else than the supplier or the regulator."""
    outdated: bool
    seen_on: dt.date | None
    """The last day on which its price was seen."""
    age: PriceAge | None
    details: LineDetails

    @property
    def winnable(self) -> bool:
        """Whether it may be the cheapest: open, whole, and of all registers."""
        return self.whole and not self.closed and not self.unseen


def ranking_lines(question: CustomerQuestion, comparison: Comparison) -> list[RankingLine]:
    """The contracts of a comparison as the page shows them: its ranking, then outdated prices."""
    every = (*comparison.ranking, *comparison.outdated)
    dearest = max(one.total_ttc for one in every) or 1
    published = _published(question)
    return [
        _line(
            comparison,
            ranked,
            place if place <= len(comparison.ranking) else None,
            to_cents(100 * ranked.total_ttc / dearest),
            published.get(ranked.contract.key),
        )
        for place, ranked in enumerate(every, start=1)
    ]


def _line(
    comparison: Comparison,
    ranked: Ranked,
    place: int | None,
    width: Decimal,
    published: tuple[PublishedTariff, PriceAge] | None,
) -> RankingLine:
    def shown(amount: Fraction | None) -> Decimal | None:
        per_year = comparison.per_year(amount, whole=ranked.whole)
        return cents(amount if per_year is None else per_year)

    key = ranked.contract.key
    per_year = comparison.per_year(ranked.total_ttc, whole=ranked.whole)
    return RankingLine(
        place=place,
        contract=ranked.contract,
        total=shown(ranked.total_ttc) or Decimal(0),
        per_month=None if per_year is None else to_cents(per_year / _MONTHS),
        width=width,
        saving=shown(ranked.saving_against_baseline),
        saving_same_option=shown(ranked.saving_against_regulated),
        regulated=ranked.is_regulated,
        present=key == comparison.present,
        baseline=key == comparison.baseline,
        closed=ranked.closed_to_new_customers,
        whole=ranked.whole,
        partial=ranked.partial,
        unseen=ranked.unseen,
        secondary=ranked.source_kind == "secondary",
        outdated=ranked.outdated is not None,
        seen_on=ranked.last_seen_on,
        age=published[1] if published else None,
        details=_details(
            comparison.costed[key].periods, ranked.contract, _sheet_url(published[0]) if published else None
        ),
    )


def _details(periods: Sequence[PricePeriod], contract: Contract, sheet_url: str | None) -> LineDetails:
    period = next(one for one in reversed(periods) if one.tariff is not None)
    supplier, offer, option, power_kva = contract.key
    terms = app_state().offer_terms.get((supplier, offer))
    return LineDetails(
        prices=period.prices_ttc or {},
        subscription_per_month=per_month(period.subscription_ttc),
        since=period.span.start if len(periods) > 1 else None,
        terms=terms,
        sources=tuple(dict.fromkeys(period.tariff.sources if period.tariff else ())),
        sheet_url=sheet_url,
        page_url=terms.page_url if terms else None,
        history=link("/history", offer=f"{supplier}~{offer}", option=option, power_kva=power_kva),
    )


def _sheet_url(published: PublishedTariff) -> str | None:
    """Where the supplier's own sheet is, read here or by somebody else."""
    return published.sheet_url or (published.url if published.kind == "supplier" else None)


def _published(question: CustomerQuestion) -> dict[ContractKey, tuple[PublishedTariff, PriceAge]]:
    """The newest prices of each contract, and how old they are."""
    return {
        (one.supplier, one.offer, one.option, one.power_kva): (one, PriceAge(one.applies_from, status))
        for one, status in judged_tariffs(question.terms.today, question.power_kva)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingChoice:
    """What the customer wants to see of a ranking; None leaves it open.

    Its fields are those of the form; a value that is none of its choices leaves it open, too.
    """

    only_option: str | None = None
    only_pricing: str | None = None
    only_green: str | None = None
    only_seen: str | None = None

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """The choice in the fields of a form."""
        allowed: Mapping[str, Iterable[str]] = {
            "only_option": OPTIONS,
            "only_pricing": ("fixed", "indexed"),
            "only_green": ("yes",),
            "only_seen": map(str, SEEN_DAYS),
        }
        return cls(**{name: texts[name] for name in allowed if texts.get(name) in set(allowed[name])})

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return any((self.only_option, self.only_pricing, self.only_green, self.only_seen))

    def holds(self, line: RankingLine, today: dt.date) -> bool:
        """Whether a line is wanted. What no source states of an offer does not match."""
        terms = line.details.terms
        oldest = today - dt.timedelta(days=int(self.only_seen)) if self.only_seen else None
        return (
            (self.only_option is None or line.contract.option == self.only_option)
            and (self.only_pricing is None or (terms is not None and terms.pricing == self.only_pricing))
            and (self.only_green is None or (terms is not None and terms.green is True))
            and (oldest is None or (line.seen_on is not None and line.seen_on >= oldest))
        )


#: The fields of a form that choose among the lines.
CHOICE_FIELDS = ("only_option", "only_pricing", "only_green", "only_seen")
