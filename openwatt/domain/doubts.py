"""The checks of a reading: each is a named rule, and a doubt that it yields stops the publication."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby, pairwise
from types import MappingProxyType

from openwatt.domain import grid_rows, likeness, new_period, tax_identity
from openwatt.domain.duties import Duties
from openwatt.domain.likeness import RegulatedTariffs
from openwatt.domain.reading import SIDES, SUBSCRIPTION, Disagreement, Doubt, Figure, Line, Reading, Tax
from openwatt.domain.tariff import OPTIONS

#: Rule → what it catches.
RULES: Mapping[str, str] = MappingProxyType(
    {
        "no-text": "a document whose words are drawn, not written",
        "nothing-read": "the wrong page, or a document that is no price grid",
        "phrase-missing": "another document under the same address",
        "source-unknown": "a document that no source describes",
        "offer-unknown": "a table under no offer's title",
        "part-missing": "one of the components to add is not on the sheet",
        "layout": "headers and columns that do not fit each other",
        "date-missing": "prices without the day from which they apply",
        "date-doubtful": "two days that could both be the first, a last day that fits no other row",
        "line-incomplete": "a row of which a figure was not read",
        "side-missing": "the columns without, or with, all taxes were not read",
        "powers-missing": "a subscribed power that the grid prints was not read, or one too many was",
        "option-missing": "an option printed on the sheet and not read",
        "price-range": "cents taken for euros, another unit",
        "subscription-range": "a month taken for a year, or a year for a month",
        "registers-order": "swapped columns of hours or colours",
        "subscription-order": "shifted rows, components, one wrong digit",
        "price-jump": "one wrong digit in a column of equal prices",
        "price-taxes": "HT and TTC swapped, one wrong digit, an outdated side",
        "subscription-taxes": "HT and TTC swapped, one wrong digit, a shift, a wrong duty",
        "duties-unknown": "a day for which no rate of a duty is known",
        "price-unlike": "one component taken for the price",
        "subscription-unlike": "one component taken for the subscription, year for month",
        "subscription-uneven": "one wrong digit where no other tax side can tell",
        "bill-unlike": "prices and subscription of two different tables",
        "decoy-unlike": "the offer's columns and the regulated tariff's swapped",
        "discount-missing": "the regulated price read as a discounted offer's",
        "regulated-unlike": "a wrong digit in the regulated tariff itself",
        "regulated-unknown": "a regulated tariff that the catalogue does not hold yet",
        "gross-below-discounted": "the columns of a price and of its discount swapped",
    }
)

#: Bounds with all taxes that no residential price has left since 2012, in EUR per kWh and per month.
MIN_PRICE, MAX_PRICE = Decimal("0.04"), Decimal("0.95")
MIN_MONTH, MAX_MONTH = Decimal(5), Decimal(110)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a grid before it is read.

    `offers` gives each offer's powers per option; empty when nothing is known.
    A `regulated` grid must equal the regulated tariff; a `discounted` offer must
    not. `ht_rounded` is for suppliers who round HT after they computed TTC, so
    that the last digit may differ by one.
    """

    offers: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    taxes: tuple[Tax, ...] = ()
    regulated: bool = False
    discounted: bool = False
    ht_rounded: bool = False
    cheaper: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What readings are held against: the duties by date and the regulated tariff's history."""

    duties: Duties
    regulated: RegulatedTariffs


DoubtCheck = Callable[[Sequence[Line], Expected, References], Iterator[Doubt]]


def find_doubts(reading: Reading, expected: Expected, references: References) -> list[Doubt]:
    """Every reason not to publish a reading as it is; an empty list is the permission to."""
    doubts = list(reading.faults)
    if not reading.lines and not doubts:
        message = "no price was read: is it the right document, or a new layout?"
        doubts.append(Doubt(rule="nothing-read", message=message, where="whole document"))
    doubts += _missing_options(reading, expected)
    for _, group in groupby(reading.lines, key=_grid):
        lines = list(group)
        for check in _CHECKS:
            doubts += check(lines, expected, references)
    doubts += _off_peak_above_base(reading.lines)
    doubts += _gross_below_discounted(reading.lines, expected)
    doubts += _doubts_of(grid_rows.wrong_ends(reading.lines))
    return list(dict.fromkeys(doubts))


def _grid(line: Line) -> tuple[str, str, dt.date | None]:
    """What rows of one grid share: their offer, option and first day."""
    return line.offer, line.option, line.applies_from.day if line.applies_from else None


def doubt_of(rule: str, lines: Iterable[Line], message: str, where: str = "") -> Doubt:
    """One doubt for all the rows of an option that share it."""
    rows = list(lines)
    kva = list(dict.fromkeys(str(line.power_kva) for line in rows))
    powers = ", ".join(kva[:6]) + (" …" if len(kva) > 6 else "")
    place = f"{rows[0].offer} {rows[0].option} {powers} kVA"
    return Doubt(rule=rule, message=message, where=f"{place}: {where}" if where else place)


def _missing_options(reading: Reading, expected: Expected) -> Iterator[Doubt]:
    read = {(line.offer, line.option) for line in reading.lines}
    for offer, options in expected.offers.items():
        for option in options:
            if (offer, option) not in read and reading.lines:
                message = f"{offer} sells {option} and nothing of it was read"
                yield Doubt(rule="option-missing", message=message, where=f"{offer} {option}")
    for option in sorted(reading.announced - {option for _, option in read}):
        if reading.lines:
            message = f"a title names {option} and nothing of it was read"
            yield Doubt(rule="option-missing", message=message, where=option)


def _doubts_of(disagreements: Iterable[Disagreement]) -> Iterator[Doubt]:
    for rule, lines, message, where in disagreements:
        yield doubt_of(rule, lines, message, where)


def _powers(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    first = lines[0]
    powers = expected.offers.get(first.offer, {}).get(first.option)
    if powers is not None and expected.regulated and first.applies_from is not None:
        powers = grid_rows.regulated_powers(lines, powers, references.regulated)
    yield from _doubts_of(grid_rows.missing_powers(lines, powers))


def _dates(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    del expected, references
    undated = [line for line in lines if line.applies_from is None]
    if undated:
        message = (
            "the day from which the prices apply was not found: say in the source which words it follows"
        )
        yield doubt_of("date-missing", undated, message)


def _completeness(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    del references
    sides: set[Tax] = {tax for line in lines for _, tax in line.figures}
    for tax in expected.taxes:
        if tax not in sides:
            yield doubt_of("side-missing", lines, f"the sheet prints {tax} and none of it was read")
    for tax in sorted(sides):
        meanings = (SUBSCRIPTION, *OPTIONS[lines[0].option])
        for meaning in meanings:
            without = [line for line in lines if (meaning, tax) not in line.figures]
            if without:
                yield doubt_of("line-incomplete", without, f"{meaning} {tax} was not read")
    for line in lines:
        extra = {meaning for meaning, _ in line.figures} - {SUBSCRIPTION, *OPTIONS[line.option]}
        if extra:
            yield doubt_of("layout", [line], f"{', '.join(sorted(extra))} is no register of {line.option}")


def _ranges(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    del expected, references
    for line in lines:
        for (meaning, tax), figure in line.figures.items():
            # Without taxes a price is lower by up to the duties; the bounds are those with them.
            slack = Decimal(1) if tax == "TTC" else Decimal("0.4")
            if meaning == SUBSCRIPTION:
                month = figure.amount / 12
                if not MIN_MONTH * slack <= month <= MAX_MONTH:
                    message = f"a subscription of {month:.2f} EUR a month {tax} is not between 5 and 110"
                    yield doubt_of("subscription-range", [line], message, figure.where)
            elif not MIN_PRICE * slack <= figure.amount <= MAX_PRICE:
                message = f"{meaning} at {figure.amount} EUR a kWh {tax} is not between 0.04 and 0.95"
                yield doubt_of("price-range", [line], message, figure.where)


#: Registers that cost more than others, per option: (dearer, cheaper).
_ORDER = {
    "HPHC": (("HP", "HC"),),
    "WEEKEND_HPHC": (("HP", "HC"),),
    "SUPER_CREUSES": (("HP", "HC"), ("HC", "HSC")),
    "EJP": (("PM", "HN"),),
    "SAISON": (("HPH", "HCH"), ("HPB", "HCB"), ("HPH", "HPB"), ("HCH", "HCB")),
    "WEEKEND": (("SEM", "WE"),),
    "WEEKEND_PLUS": (("SEM", "WE"),),
    "WEEKEND_PLUS_HPHC": (("HP", "HC"),),
    "SAISON_SUPER_CREUSES": (
        ("HIVER_HP", "HIVER_HC"),
        ("HIVER_HC", "HIVER_HSC"),
        ("ETE_HP", "ETE_HC"),
        ("ETE_HC", "ETE_HSC"),
        ("HIVER_HP", "ETE_HP"),
        ("HIVER_HC", "ETE_HC"),
        ("HIVER_HSC", "ETE_HSC"),
    ),
    "ZEN_FLEX": (
        ("ECO_HP", "ECO_HC"),
        ("SOBRIETE_HP", "SOBRIETE_HC"),
        ("SOBRIETE_HP", "ECO_HP"),
        ("SOBRIETE_HC", "ECO_HC"),
    ),
    "OCTOTEMPO": (
        ("ROUGE_HP", "ROUGE_HC"),
        ("HIVER_HP", "HIVER_HC"),
        ("ETE_HP", "ETE_HC"),
        ("ROUGE_HP", "HIVER_HP"),
        ("HIVER_HP", "ETE_HP"),
        ("HIVER_HC", "ETE_HC"),
    ),
    "TEMPO": (
        ("BLEU_HP", "BLEU_HC"),
        ("BLANC_HP", "BLANC_HC"),
        ("ROUGE_HP", "ROUGE_HC"),
        ("BLANC_HP", "BLEU_HP"),
        ("ROUGE_HP", "BLANC_HP"),
        ("BLANC_HC", "BLEU_HC"),
        ("ROUGE_HC", "BLANC_HC"),
    ),
}


def _orders(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    del expected, references
    for tax in SIDES:
        for dearer, cheaper in _ORDER.get(lines[0].option, ()):
            wrong = [
                line
                for line in lines
                if (above := line.amount(dearer, tax)) is not None
                and (below := line.amount(cheaper, tax)) is not None
                and above <= below
            ]
            if wrong:
                high, low = wrong[0].figures[dearer, tax], wrong[0].figures[cheaper, tax]
                message = f"{dearer} {tax} at {high.amount} is not above {cheaper} at {low.amount}"
                yield doubt_of("registers-order", wrong, message, high.where)
        rows = [
            (line, line.figures[SUBSCRIPTION, tax]) for line in lines if (SUBSCRIPTION, tax) in line.figures
        ]
        for (_, before), (line, after) in pairwise(rows):
            # A range of powers printed in one row has one amount for all of them.
            if after.amount <= before.amount and after is not before:
                message = (
                    f"the subscription {tax} falls from {before.printed} to {after.printed} "
                    f"while the power rises to {line.power_kva} kVA"
                )
                yield doubt_of("subscription-order", [line], message, after.where)


def _jumps(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    """A price that changes at one power and changes back is a misprint or a misreading.

    The regulated tariff did so in earlier years, and is compared digit for digit. Where it steps
    between two powers itself, an offer that follows it steps there, too.
    """
    if expected.regulated:
        return
    for register in OPTIONS[lines[0].option]:
        for tax in SIDES:
            rows = [(line, line.figures[register, tax]) for line in lines if (register, tax) in line.figures]
            runs = [(amount, list(run)) for amount, run in groupby(rows, key=lambda row: row[1].amount)]
            seen: set[Decimal] = set()
            for amount, run in runs:
                if amount in seen:
                    line, figure = run[0]
                    message = f"{register} {tax} leaves {amount} and comes back to it at {line.power_kva} kVA"
                    yield doubt_of("price-jump", [line], message, figure.where)
                seen.add(amount)
            # A whole column of one price but for its first or last row is a wrong digit in that row.
            alone = len(runs) == 2 and len(rows) >= 5 and 1 in (len(runs[0][1]), len(runs[1][1]))
            if alone and not _steps_as_regulated(runs[0][1][-1], runs[1][1][0], register, tax, references):
                line, figure = min(runs, key=lambda run: len(run[1]))[1][0]
                message = f"{register} {tax} is {figure.amount} at {line.power_kva} kVA alone"
                yield doubt_of("price-jump", [line], message, figure.where)
            rising = [(b[1][0], b[0] > a[0]) for a, b in pairwise(runs)]
            turns = [b[0] for a, b in pairwise(rising) if a[1] != b[1]]
            if turns:
                line, figure = turns[0]
                message = f"{register} {tax} rises and falls with the power, about {line.power_kva} kVA"
                yield doubt_of("price-jump", [line], message, figure.where)


def _steps_as_regulated(
    before: tuple[Line, Figure],
    after: tuple[Line, Figure],
    register: str,
    tax: Tax,
    references: References,
) -> bool:
    """Whether a price falls between two powers as the regulated one does, to a tenth or a digit."""
    prices = [
        references.regulated.price(line.first_day, line.option, line.power_kva, register, tax)
        for line, _ in (before, after)
        if line.applies_from is not None
    ]
    if len(prices) < 2 or prices[0] is None or prices[1] is None or prices[0] == prices[1]:
        return False
    own, regulated = after[1].amount - before[1].amount, prices[1] - prices[0]
    return abs(own - regulated) <= max(abs(regulated) / 10, after[1].step)


def _off_peak_above_base(lines: Sequence[Line]) -> Iterator[Doubt]:
    """An offer whose off-peak price is not below its Base price: columns of two options are swapped."""
    by_key = {(line.offer, line.option, line.power_kva, line.applies_from): line for line in lines}
    for tax in SIDES:
        wrong = [
            line
            for (offer, option, power, day), line in by_key.items()
            if option == "HPHC"
            and (base := by_key.get((offer, "BASE", power, day))) is not None
            and (price := base.amount("BASE", tax)) is not None
            and (off_peak := line.amount("HC", tax)) is not None
            and off_peak >= price
        ]
        if wrong:
            figure = wrong[0].figures["HC", tax]
            message = f"HC {tax} at {figure.amount} is not below the Base price of the same offer"
            yield doubt_of("registers-order", wrong, message, figure.where)


def _gross_below_discounted(lines: Sequence[Line], expected: Expected) -> Iterator[Doubt]:
    by_key = {(line.offer, line.option, line.power_kva): line for line in lines}
    for gross, discounted in expected.cheaper:
        wrong = [
            line
            for (offer, option, power), line in by_key.items()
            if offer == discounted
            and (full := by_key.get((gross, option, power))) is not None
            and any(
                figure.amount >= full.figures[place].amount
                for place, figure in line.figures.items()
                if place[0] != SUBSCRIPTION and place in full.figures
            )
        ]
        if wrong:
            message = f"the prices of {discounted} are not below those of {gross}"
            yield doubt_of("gross-below-discounted", wrong, message)


def _tax_sides(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    dated = [line for line in lines if line.applies_from is not None]
    yield from _doubts_of(
        tax_identity.disagreements(dated, references.duties, ht_rounded=expected.ht_rounded)
    )


def _likeness(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    dated = [line for line in lines if line.applies_from is not None]
    if not dated:
        return
    yield from _doubts_of(
        likeness.differences(
            dated, references.regulated, regulated=expected.regulated, discounted=expected.discounted
        )
    )


def _new_period(lines: Sequence[Line], expected: Expected, references: References) -> Iterator[Doubt]:
    dated = [line for line in lines if line.applies_from is not None]
    if not dated or not expected.regulated:
        return
    yield from _doubts_of(new_period.unproven(dated, references.regulated, references.duties))


_CHECKS: tuple[DoubtCheck, ...] = (
    _powers,
    _dates,
    _completeness,
    _ranges,
    _orders,
    _jumps,
    _tax_sides,
    _likeness,
    _new_period,
)
