"""The check that the two tax sides of a grid agree, by accise, CTA and TVA."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, groupby
from statistics import median

from openwatt.domain.duties import Duties
from openwatt.domain.errors import UnknownDutyError
from openwatt.domain.reading import SUBSCRIPTION, Disagreement, Figure, Line
from openwatt.domain.tariff import OPTIONS

#: The network formulas among which a supplier may choose for the CTA (law and TURPE 7, residential).
FORMULAS = ("CU", "CU4", "MU4", "MUDT")

#: Suppliers change the network formula at these powers only, as the regulated tariff does at 9 kVA.
_LIMITS_KVA = (9, 12, 18)

_HALF = Decimal("0.5")
#: Where every other row agrees to this many steps, a row that does not is a misprint.
_EXACT = Decimal("0.56")
#: Beyond half of the last digit, for what a sheet rounds twice.
_SLACK = Decimal("0.02")


def disagreements(
    lines: Sequence[Line], duties: Duties, *, ht_rounded: bool = False
) -> Iterator[Disagreement]:
    """Where HT and TTC of one option's rows cannot both be right, on the day the rows begin.

    Every line must be dated. A printed HT price is the one that contracts bill,
    so the TTC price must follow from it to the last printed digit; with
    `ht_rounded`, to what rounding both sides allows.
    """
    pairs = [
        line
        for line in lines
        if any((name, "HT") in line.figures for name, tax in line.figures if tax == "TTC")
    ]
    if not pairs:
        return
    try:
        yield from _prices(pairs, duties, ht_rounded=ht_rounded)
        yield from _subscriptions(pairs, duties)
    except UnknownDutyError as error:
        day = pairs[0].first_day
        unknown = duties.unknown_on(day)
        reason = f"no rate of {', '.join(unknown)} is known for {day}" if unknown else str(error)
        yield "duties-unknown", pairs, f"{reason}: add it to the catalogue, then read again", ""


def _prices(lines: Sequence[Line], duties: Duties, *, ht_rounded: bool) -> Iterator[Disagreement]:
    for register in OPTIONS[lines[0].option]:
        wrong = []
        expected = Decimal(0)
        for line in lines:
            ht, ttc = line.figures.get((register, "HT")), line.figures.get((register, "TTC"))
            if ht is None or ttc is None:
                continue
            day = line.first_day
            duty = duties.rate("accise", day) + duties.rate("tcfe_local_max", day)
            tva = 1 + duties.rate("tva_kwh", day) / 100
            due = (ht.amount + duty) * tva
            allowed = ttc.step * (_HALF + _SLACK) + (ht.step * _HALF * tva if ht_rounded else 0)
            if abs(due - ttc.amount) > allowed * _parts(ttc):
                wrong.append(line)
                expected = expected or due
        if wrong:
            ht, ttc = wrong[0].figures[register, "HT"], wrong[0].figures[register, "TTC"]
            message = (
                f"{register}: {ht.amount} HT with the accise and TVA of {wrong[0].first_day} is "
                f"{expected.normalize():f} TTC, the sheet says {ttc.amount}"
            )
            yield "price-taxes", wrong, message, ttc.where


def _parts(figure: Figure) -> int:
    """How many printed figures were added, each with its own rounding."""
    return max(1, len(figure.parts))


@dataclass(frozen=True)
class _Row:
    """A subscription on both sides: how far off each formula is and may be, in steps of the printed TTC."""

    line: Line
    errors: Mapping[str, Decimal]
    allowed: Decimal

    def fits(self, formula: str) -> bool:
        """Whether a formula explains the two sides."""
        return self.errors[formula] <= self.allowed


def _subscriptions(lines: Sequence[Line], duties: Duties) -> Iterator[Disagreement]:
    rows: list[_Row] = []
    unknown: list[tuple[Line, Decimal]] = []
    for line in lines:
        ht, ttc = line.figures.get((SUBSCRIPTION, "HT")), line.figures.get((SUBSCRIPTION, "TTC"))
        if ht is None or ttc is None:
            continue
        day = line.first_day
        cta = duties.rate("cta", day) / 100
        tva = 1 + duties.rate("tva_subscription", day) / 100
        try:
            network = {
                formula: network_fixed_part(duties, formula, line.power_kva, day) for formula in FORMULAS
            }
        except UnknownDutyError:
            unknown.append((line, (ttc.amount / tva - ht.amount) / cta))
            continue
        errors = {
            formula: abs((ht.amount + cta * part) * tva - ttc.amount) / ttc.step
            for formula, part in network.items()
        }
        allowed = _HALF * _parts(ttc) + _HALF * tva * ht.step / ttc.step + _SLACK
        rows.append(_Row(line, errors, allowed))
    yield from _off_the_formulas(rows, duties)
    yield from _uneven(unknown, duties)


def _off_the_formulas(rows: Sequence[_Row], duties: Duties) -> Iterator[Disagreement]:
    """Rows that their neighbours' formula does not explain, or that alone need more than half a cent."""
    wrong: list[tuple[_Row, str]] = []
    fitting: list[tuple[_Row, str]] = []
    for _, group in groupby(rows, key=lambda row: sum(row.line.power_kva >= limit for limit in _LIMITS_KVA)):
        segment = list(group)
        formula = _formula_of(segment, rows)
        for row in segment:
            (fitting if row.fits(formula) else wrong).append((row, formula))
    exact = sorted(row.errors[formula] for row, formula in fitting)
    if len(fitting) >= 4 and exact[-2] <= _EXACT < exact[-1] - _HALF / 4:
        wrong += [(row, formula) for row, formula in fitting if row.errors[formula] == exact[-1]]
    if wrong:
        row, formula = wrong[0]
        day = row.line.first_day
        ht, ttc = row.line.figures[SUBSCRIPTION, "HT"], row.line.figures[SUBSCRIPTION, "TTC"]
        # Every row is named: whoever signs this off signs for these figures and no others.
        shares = [(row.line.power_kva, _share(row.line, formula, duties)) for row, formula in wrong]
        message = (
            f"{ht.printed} HT and {ttc.printed} TTC leave a CTA of {shares[0][1]:.2f} % of the network's "
            f"fixed part ({formula}), it is {duties.rate('cta', day)} % on {day}; by kVA: "
            + ", ".join(f"{power} {share:.2f} %" for power, share in shares)
        )
        yield "subscription-taxes", [row.line for row, _ in wrong], message, ttc.where


def _share(line: Line, formula: str, duties: Duties) -> Decimal:
    """The CTA that a subscription's two sides leave, as a share of the network's fixed part in %."""
    ht, ttc = line.figures[SUBSCRIPTION, "HT"], line.figures[SUBSCRIPTION, "TTC"]
    day = line.first_day
    before_tva = ttc.amount / (1 + duties.rate("tva_subscription", day) / 100)
    return (before_tva - ht.amount) * 100 / network_fixed_part(duties, formula, line.power_kva, day)


def _formula_of(segment: Sequence[_Row], rows: Sequence[_Row]) -> str:
    """The network formula that explains most rows of a segment, then of the whole option."""
    return max(
        FORMULAS,
        key=lambda formula: (
            sum(row.fits(formula) for row in segment),
            sum(row.fits(formula) for row in rows),
            -sum(row.errors[formula] for row in segment),
        ),
    )


def network_fixed_part(duties: Duties, formula: str, power_kva: int, on: dt.date) -> Decimal:
    """The yearly fixed part at any power: a fixed amount and one per kVA, so a straight line over powers."""
    at_3 = duties.turpe_fixed_eur_per_year_ht(formula, 3, on)
    at_9 = duties.turpe_fixed_eur_per_year_ht(formula, 9, on)
    return at_3 + (at_9 - at_3) * (power_kva - 3) / 6


def _uneven(rows: Sequence[tuple[Line, Decimal]], duties: Duties) -> Iterator[Disagreement]:
    """Without the network's amounts: what is left for the CTA must still rise evenly with the power."""
    if not rows:
        return
    if len(rows) < 4:
        raise UnknownDutyError(f"no TURPE fixed part is known for {rows[0][0].first_day}")
    # The median over pairs far apart: rounding tilts neighbours' slopes, and one wrong row tilts few pairs.
    slope = median(
        (second - first) / (b.power_kva - a.power_kva)
        for (a, first), (b, second) in combinations(rows, 2)
        if b.power_kva - a.power_kva >= 6
    )
    offset = median(base - slope * line.power_kva for line, base in rows)
    wrong = []
    for line, base in rows:
        day = line.first_day
        ht, ttc = line.figures[SUBSCRIPTION, "HT"], line.figures[SUBSCRIPTION, "TTC"]
        tva = 1 + duties.rate("tva_subscription", day) / 100
        # Half a step of each side here, and as much again in the line through the others.
        allowed = (ttc.step / tva + ht.step) / (duties.rate("cta", day) / 100)
        if abs(base - slope * line.power_kva - offset) > allowed:
            wrong.append(line)
    if wrong or not Decimal(7) <= slope <= Decimal(20):
        found = wrong or [line for line, _ in rows]
        ttc = found[0].figures[SUBSCRIPTION, "TTC"]
        message = (
            "what HT and TTC leave for the CTA does not rise evenly with the power "
            f"(the network's amounts are not known for {found[0].first_day})"
        )
        yield "subscription-taxes", found, message, ttc.where
