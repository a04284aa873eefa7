"""Each rule on a grid that is right but for one thing; the grid is Mint Énergie's of 2025-08-01."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.catalogue.shipped_facts import shipped_tariffs
from openwatt.domain.doubts import RULES, Expected, References, find_doubts
from openwatt.domain.duties import Duties
from openwatt.domain.likeness import RegulatedTariffs
from openwatt.domain.reading import SUBSCRIPTION, Doubt, Figure, Line, PrintedDay, Reading, Tax

AUGUST = PrintedDay(day=dt.date(2025, 8, 1), precision="day", printed="01/08/2025")
POWERS = (6, 9, 12, 15, 18, 24, 30, 36)
MONTHS_HT = ("11.50", "12.00", "15.50", "18.00", "20.50", "26.50", "32.00", "37.00")
MONTHS_TTC = ("16.25", "17.64", "22.64", "26.44", "30.24", "39.03", "47.23", "54.82")
PRICES = {("HP", "HT"): "0.1434", ("HP", "TTC"): "0.2081", ("HC", "HT"): "0.1063", ("HC", "TTC"): "0.1635"}
REFERENCES = shipped_references()
EXPECTED = Expected(offers={"Classic": {"HPHC": POWERS}}, taxes=("HT", "TTC"))

Place = tuple[str, Tax]
Grid = dict[int, Line]


def figure(amount: str, months: int = 1) -> Figure:
    value = Decimal(amount)
    step = Decimal(1).scaleb(int(value.as_tuple().exponent))
    return Figure(amount=value * months, printed=amount.replace(".", ","), step=step * months, page=1)


def grid() -> Grid:
    lines = {}
    for power, ht, ttc in zip(POWERS, MONTHS_HT, MONTHS_TTC, strict=True):
        figures: dict[Place, Figure] = {
            (SUBSCRIPTION, "HT"): figure(ht, 12),
            (SUBSCRIPTION, "TTC"): figure(ttc, 12),
            ("HP", "HT"): figure(PRICES["HP", "HT"]),
            ("HP", "TTC"): figure(PRICES["HP", "TTC"]),
            ("HC", "HT"): figure(PRICES["HC", "HT"]),
            ("HC", "TTC"): figure(PRICES["HC", "TTC"]),
        }
        lines[power] = Line(
            supplier="Mint",
            offer="Classic",
            option="HPHC",
            power_kva=power,
            figures=figures,
            applies_from=AUGUST,
        )
    return lines


def with_figure(lines: Grid, powers: tuple[int, ...], place: Place, changed: Figure | None) -> Grid:
    """The grid with one figure replaced, or taken away, at some powers."""
    new = dict(lines)
    for power in powers:
        figures = {key: value for key, value in lines[power].figures.items() if key != place}
        new[power] = replace(lines[power], figures=figures if changed is None else figures | {place: changed})
    return new


def doubts(
    lines: Grid, expected: Expected = EXPECTED, announced: frozenset[str] = frozenset()
) -> list[Doubt]:
    return find_doubts(Reading(lines=tuple(lines.values()), announced=announced), expected, REFERENCES)


def without_power(power: int) -> Grid:
    return {p: line for p, line in grid().items() if p != power}


def decoyed() -> Grid:
    return {p: replace(line, decoys={("HP", "HT"): figure("0.1393")}) for p, line in grid().items()}


def ttc_only(power: int, month: str) -> Grid:
    lines = {
        p: replace(line, figures={key: value for key, value in line.figures.items() if key[1] == "TTC"})
        for p, line in grid().items()
    }
    for p, regulated in zip(
        POWERS, ("15.74", "19.81", "23.76", "27.49", "31.34", "39.47", "47.02", "54.61"), strict=True
    ):
        lines = with_figure(lines, (p,), (SUBSCRIPTION, "TTC"), figure(regulated, 12))
    return with_figure(lines, (power,), (SUBSCRIPTION, "TTC"), figure(month, 12))


def test_a_grid_that_is_right_raises_no_doubt() -> None:
    assert doubts(grid()) == []


ALL = POWERS
SUB_TTC: Place = (SUBSCRIPTION, "TTC")
CASES: dict[str, tuple[str, Callable[[], list[Doubt]], str]] = {
    "one digit of a price": (
        "price-taxes",
        lambda: doubts(with_figure(grid(), ALL, ("HP", "TTC"), figure("0.2082"))),
        "HP: 0.1434 HT with the accise and TVA of 2025-08-01 is 0.208056 TTC, the sheet says 0.2082",
    ),
    "HT and TTC swapped": (
        "price-taxes",
        lambda: doubts(
            with_figure(
                with_figure(grid(), ALL, ("HP", "TTC"), figure("0.1434")), ALL, ("HP", "HT"), figure("0.2081")
            )
        ),
        "HP: 0.2081 HT",
    ),
    "two cents on one subscription": (
        "subscription-taxes",
        lambda: doubts(with_figure(grid(), (15,), SUB_TTC, figure("26.46", 12))),
        "18,00 HT and 26,46 TTC leave a CTA of 22.03 % of the network's fixed part (MU4), it is 21.93 %",
    ),
    "the day of no known duty": (
        "duties-unknown",
        lambda: doubts(
            {
                p: replace(line, applies_from=replace(AUGUST, day=dt.date(2008, 1, 1)))
                for p, line in grid().items()
            }
        ),
        "add it to the catalogue, then read again",
    ),
    "the day after the accise's last": (
        "duties-unknown",
        lambda: doubts(
            {
                p: replace(line, applies_from=replace(AUGUST, day=dt.date(2027, 2, 1)))
                for p, line in grid().items()
            }
        ),
        "no rate of accise is known for 2027-02-01: add it to the catalogue, then read again",
    ),
    "cents taken for euros": (
        "price-range",
        lambda: doubts(with_figure(grid(), ALL, ("HP", "TTC"), figure("20.81"))),
        "HP at 20.81 EUR a kWh TTC is not between 0.04 and 0.95",
    ),
    "a year taken for a month": (
        "subscription-range",
        lambda: doubts(with_figure(grid(), (36,), SUB_TTC, figure("657.84", 12))),
        "a subscription of 657.84 EUR a month TTC is not between 5 and 110",
    ),
    "HP and HC swapped": (
        "registers-order",
        lambda: doubts(with_figure(grid(), ALL, ("HC", "TTC"), figure("0.2600"))),
        "HP TTC at 0.2081 is not above HC at 0.2600",
    ),
    "a subscription that falls": (
        "subscription-order",
        lambda: doubts(with_figure(grid(), (36,), SUB_TTC, figure("45.82", 12))),
        "falls from 47,23 to 45,82 while the power rises to 36 kVA",
    ),
    "a price that jumps and comes back": (
        "price-jump",
        lambda: doubts(with_figure(grid(), (15,), ("HC", "HT"), figure("0.1053"))),
        "HC HT leaves 0.1063 and comes back to it at 18 kVA",
    ),
    "a price alone at the end": (
        "price-jump",
        lambda: doubts(with_figure(grid(), (36,), ("HC", "HT"), figure("0.1053"))),
        "HC HT is 0.1053 at 36 kVA alone",
    ),
    "a row not read": ("powers-missing", lambda: doubts(without_power(24)), "24 kVA not read"),
    "a row not read of an unknown grid": (
        "powers-missing",
        lambda: doubts(without_power(24), Expected()),
        "24 kVA is missing between 6 and 36 kVA",
    ),
    "the last row of an unknown grid": (
        "powers-missing",
        lambda: doubts(without_power(36), Expected()),
        "begins at 6 and ends at 30 kVA",
    ),
    "a figure not read": (
        "line-incomplete",
        lambda: doubts(with_figure(grid(), (9, 12), ("HC", "TTC"), None)),
        "HC TTC was not read",
    ),
    "a side not read": (
        "side-missing",
        lambda: doubts(
            {
                p: replace(line, figures={k: v for k, v in line.figures.items() if k[1] == "TTC"})
                for p, line in grid().items()
            }
        ),
        "the sheet prints HT and none of it was read",
    ),
    "an option announced and not read": (
        "option-missing",
        lambda: doubts(grid(), announced=frozenset({"TEMPO"})),
        "a title names TEMPO and nothing of it was read",
    ),
    "an option known and not read": (
        "option-missing",
        lambda: doubts(grid(), Expected(offers={"Classic": {"HPHC": POWERS, "BASE": (3, 6)}})),
        "Classic sells BASE and nothing of it was read",
    ),
    "no day": (
        "date-missing",
        lambda: doubts({p: replace(line, applies_from=None) for p, line in grid().items()}),
        "the day from which the prices apply was not found",
    ),
    "nothing": (
        "nothing-read",
        lambda: find_doubts(Reading(lines=()), EXPECTED, REFERENCES),
        "no price was read",
    ),
    "one component for the price": (
        "price-unlike",
        lambda: doubts(
            with_figure(
                with_figure(grid(), ALL, ("HP", "TTC"), figure("0.15097")),
                ALL,
                ("HP", "HT"),
                figure("0.09583"),
            )
        ),
        "HP at 0.15097 EUR a kWh TTC beside 0.2081 regulated",
    ),
    "one component for the subscription": (
        "subscription-unlike",
        lambda: doubts(with_figure(grid(), (36,), SUB_TTC, figure("25.40", 12))),
        "a subscription of 25.40 EUR a month TTC beside 54.61 regulated",
    ),
    "a bill too dear": (
        "bill-unlike",
        lambda: doubts(
            with_figure(
                with_figure(
                    with_figure(grid(), ALL, ("HP", "TTC"), figure("0.2600")),
                    ALL,
                    ("HC", "TTC"),
                    figure("0.2040"),
                ),
                (6,),
                SUB_TTC,
                figure("31.00", 12),
            )
        ),
        "at the regulated tariff",
    ),
    "another tariff's column": (
        "decoy-unlike",
        lambda: doubts(decoyed()),
        "the regulated HP HT is 0.1434 on 2025-08-01, its column says 0.1393",
    ),
    "a discount that is none": (
        "discount-missing",
        lambda: doubts(grid(), replace(EXPECTED, discounted=True)),
        "a discounted offer's prices equal the regulated tariff's",
    ),
    "a wrong digit in the regulated tariff": (
        "regulated-unlike",
        lambda: doubts(grid(), replace(EXPECTED, regulated=True)),
        "subscription HT is 138.00, the regulated tariff of 2025-08-01 says 135.60",
    ),
    "a regulated tariff not known yet": (
        "regulated-unknown",
        lambda: doubts(
            {
                p: replace(line, applies_from=replace(AUGUST, day=dt.date(2031, 2, 1)))
                for p, line in grid().items()
            },
            replace(EXPECTED, regulated=True),
        ),
        "the catalogue has no regulated tariff that begins on 2031-02-01",
    ),
    "a step out of proportion": (
        "subscription-uneven",
        lambda: doubts(ttc_only(15, "27.79"), Expected(offers=EXPECTED.offers, taxes=("TTC",))),
        "the subscription's step to 15 kVA is 1.08 of the regulated one, the others are 1.00",
    ),
    "a discounted price above the gross": (
        "gross-below-discounted",
        lambda: find_doubts(
            Reading(
                lines=(*grid().values(), *(replace(line, offer="Discounted") for line in grid().values()))
            ),
            Expected(cheaper=(("Classic", "Discounted"),)),
            REFERENCES,
        ),
        "the prices of Discounted are not below those of Classic",
    ),
    "a register of another option": (
        "layout",
        lambda: doubts(with_figure(grid(), (6,), ("PM", "TTC"), figure("0.5000"))),
        "PM is no register of HPHC",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_says_what_is_wrong(case: str) -> None:
    rule, find, message = CASES[case]
    found = [doubt for doubt in find() if doubt.rule == rule]
    assert found
    assert any(message in doubt.message for doubt in found), [doubt.message for doubt in found]


def test_every_rule_that_values_can_break_is_shown_above() -> None:
    of_the_reader = {
        "no-text",
        "phrase-missing",
        "source-unknown",
        "offer-unknown",
        "part-missing",
        "date-doubtful",
    }
    assert {rule for rule, _, _ in CASES.values()} == set(RULES) - of_the_reader


def test_the_reader_s_own_faults_are_doubts() -> None:
    fault = Doubt(rule="layout", message="two figures", where="page 1")
    reading = Reading(lines=tuple(grid().values()), faults=(fault,))
    assert find_doubts(reading, EXPECTED, REFERENCES) == [fault]


def test_the_network_s_formula_may_change_at_nine_kva_and_not_at_thirty_six() -> None:
    """CU4 at 6 kVA, as the regulated tariff does; the same formula at 36 kVA alone is a misprint."""
    at_6 = with_figure(grid(), (6,), SUB_TTC, figure("15.98", 12))
    assert doubts(at_6) == []
    at_36 = with_figure(grid(), (36,), SUB_TTC, figure("53.23", 12))
    assert {doubt.rule for doubt in doubts(at_36)} == {"subscription-taxes"}


def test_without_the_network_s_amounts_one_wrong_row_still_stands_out() -> None:
    blind = References(duties=Duties(rates=REFERENCES.duties.rates, turpe=()), regulated=REFERENCES.regulated)
    good = Reading(lines=tuple(grid().values()))
    assert find_doubts(good, EXPECTED, blind) == []
    wrong = Reading(lines=tuple(with_figure(grid(), (15,), SUB_TTC, figure("26.64", 12)).values()))
    found = find_doubts(wrong, EXPECTED, blind)
    assert [(doubt.rule, "15 kVA" in doubt.where) for doubt in found] == [("subscription-taxes", True)]


def test_a_power_whose_new_regulated_price_is_not_known_yet_is_compared_with_the_last_one() -> None:
    """As when of the tariff of 2026-08-01 only 6, 9 and 12 kVA are known."""
    day = dt.date(2026, 9, 1)
    tariffs = (line.tariff for line in shipped_tariffs() if line.tariff.offer == "Tarif Bleu")
    regulated = RegulatedTariffs(
        tariff
        for tariff in tariffs
        if tariff.applies_from < dt.date(2026, 8, 1) or tariff.power_kva in (6, 9, 12)
    )
    assert regulated.on(day, "HPHC", 36) is None
    assert regulated.lately(day, "HPHC", 36) is regulated.on(dt.date(2026, 7, 31), "HPHC", 36)
    references = replace(REFERENCES, regulated=regulated)
    lines = {
        p: replace(line, applies_from=replace(AUGUST, day=day)) for p, line in ttc_only(6, "15.74").items()
    }
    expected = Expected(offers=EXPECTED.offers, taxes=("TTC",))
    assert find_doubts(Reading(lines=tuple(lines.values())), expected, references) == []


def follower(option: str, prices: Mapping[int, Mapping[str, str]]) -> list[Line]:
    """A grid with all taxes from 2026-08-01 whose subscriptions are the regulated ones of Base."""
    day = dt.date(2026, 8, 1)
    lines = []
    for power, registers in prices.items():
        regulated = REFERENCES.regulated.on(day, "BASE", power)
        assert regulated is not None
        assert regulated.subscription_eur_per_month_ttc is not None
        figures: dict[Place, Figure] = {
            (SUBSCRIPTION, "TTC"): figure(str(regulated.subscription_eur_per_month_ttc), 12)
        }
        figures |= {(register, "TTC"): figure(price) for register, price in registers.items()}
        lines.append(
            Line(
                supplier="EDF",
                offer="Vert",
                option=option,
                power_kva=power,
                figures=figures,
                applies_from=PrintedDay(day=day, precision="day", printed="01/08/2026"),
            )
        )
    return lines


@pytest.mark.parametrize(
    ("at_6_kva", "rules"),
    [
        ("0.2022", []),
        ("0.2024", []),
        ("0.2007", []),
        ("0.2027", ["price-jump"]),
        ("0.2017", ["price-jump"]),
    ],
)
def test_a_price_may_step_between_two_powers_where_the_regulated_one_does(
    at_6_kva: str, rules: list[str]
) -> None:
    """The regulated price falls by 0.0016 after 6 kVA, and an offer that is sold from there may, too."""
    prices = {power: {"BASE": "0.2007" if power > 6 else at_6_kva} for power in POWERS}
    found = find_doubts(Reading(lines=tuple(follower("BASE", prices))), Expected(taxes=("TTC",)), REFERENCES)
    assert [doubt.rule for doubt in found] == rules


@pytest.mark.parametrize(
    ("option", "prices", "swapped"),
    [
        (
            "SAISON_SUPER_CREUSES",
            {"HIVER_HP": "0.2722", "HIVER_HC": "0.2131", "HIVER_HSC": "0.1992"}
            | {"ETE_HP": "0.1588", "ETE_HC": "0.1405", "ETE_HSC": "0.0991"},
            ("ETE_HC", "ETE_HSC"),
        ),
        (
            "ZEN_FLEX",
            {"ECO_HP": "0.2142", "ECO_HC": "0.1595", "SOBRIETE_HP": "0.7467", "SOBRIETE_HC": "0.2142"},
            ("ECO_HP", "SOBRIETE_HP"),
        ),
        (
            "OCTOTEMPO",
            {"ROUGE_HC": "0.1575", "ROUGE_HP": "0.6469", "HIVER_HC": "0.1575"}
            | {"HIVER_HP": "0.1871", "ETE_HC": "0.1325", "ETE_HP": "0.1575"},
            ("HIVER_HC", "HIVER_HP"),
        ),
        ("WEEKEND_PLUS", {"SEM": "0.2259", "WE": "0.1691"}, ("SEM", "WE")),
        ("WEEKEND_PLUS_HPHC", {"HP": "0.2314", "HC": "0.1731", "WE": "0.1731"}, ("HP", "HC")),
    ],
)
def test_an_option_with_registers_of_its_own_has_their_order(
    option: str, prices: dict[str, str], swapped: tuple[str, str]
) -> None:
    def rules(of: dict[str, str]) -> set[str]:
        lines = follower(option, dict.fromkeys(POWERS, of))
        found = find_doubts(Reading(lines=tuple(lines)), Expected(taxes=("TTC",)), REFERENCES)
        return {doubt.rule for doubt in found}

    one, other = swapped
    assert rules(prices) == set()
    assert "registers-order" in rules(prices | {one: prices[other], other: prices[one]})


def test_a_line_becomes_a_tariff_when_one_side_is_whole() -> None:
    line = with_figure(grid(), (6,), ("HC", "HT"), None)[6]
    tariff = line.tariff()
    assert tariff is not None
    assert tariff.prices_eur_per_kwh_ht == {}
    assert tariff.subscription_eur_per_year_ht is None
    assert tariff.subscription_eur_per_year_ttc == Decimal("195.00")
    assert replace(line, applies_from=None).tariff() is None
    assert replace(line, figures={}).tariff() is None
