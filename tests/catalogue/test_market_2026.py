"""The market offers of 2026 pass every doubt and their suppliers' rules, and no row of the source is lost."""

import csv
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.catalogue.shipped_facts import shipped_sources
from openwatt.catalogue.tariffs import CatalogueTariff, read_tariffs
from openwatt.domain.doubts import RULES, Expected, find_doubts
from openwatt.domain.reading import SUBSCRIPTION, Figure, Line, PrintedDay, Reading, Tax
from tests.shared_data import SHARED, needs_shared_data

#: Supplier, offer, option, power and first day.
ContractDay = tuple[str, str, str, int, str]

CATALOGUE = files("openwatt.catalogue")
SHIPPED = read_tariffs(CATALOGUE / "tariffs_market_2026.csv")
REFERENCES = shipped_references()
CENT = Decimal("0.01")
#: Why a row is left out where no doubt stops it.
REASONS = {
    "identity": "a figure contradicts a rule of its supplier",
    "offer-uncertain": "the source does not say for sure which offer it is",
    "hours-unknown": "the hours of its registers are not known",
    "no-price": "its price changes every hour",
    "duplicate": "the same figures are shipped from another row",
}
#: The powers at which the regulated tariff is sold.
USUAL_POWERS = (3, 6, 9, 12, 15, 18, 24, 30, 36)


def table(path: Any) -> list[dict[str, str]]:
    found = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert found
    return found


HERE = Path(__file__).parent
IDENTITIES = table(HERE / "market_identities.csv")
LEFT_OUT = table(CATALOGUE / "left_out_2026.csv")


def grid_of(line: CatalogueTariff) -> tuple[str, str, str, str]:
    tariff = line.tariff
    return tariff.supplier, tariff.offer, tariff.option, tariff.applies_from.isoformat()


GRIDS = {key: list(lines) for key, lines in groupby(sorted(SHIPPED, key=grid_of), key=grid_of)}


def reading_of(lines: Iterable[Line]) -> Reading:
    """The rows of one grid as a reader would have read them from its sheet."""
    return Reading(lines=tuple(sorted(lines, key=lambda line: line.power_kva)))


def shipped_line(row: CatalogueTariff) -> Line:
    tariff = row.tariff
    assert tariff.subscription_eur_per_year_ttc is not None
    contract = tariff.supplier, tariff.offer, tariff.option, tariff.power_kva, tariff.applies_from.isoformat()
    return make_line(contract, tariff.subscription_eur_per_year_ttc, tariff.prices_eur_per_kwh_ttc)


def make_line(contract: ContractDay, per_year: Decimal, prices: Mapping[str, Decimal]) -> Line:
    supplier, offer, option, power_kva, day = contract
    figures: dict[tuple[str, Tax], Figure] = {
        (SUBSCRIPTION, "TTC"): Figure(amount=per_year, printed=str(per_year / 12), step=CENT * 12)
    }
    for register, price in prices.items():
        figures[register, "TTC"] = Figure(amount=price, printed=str(price), step=step_of(price))
    return Line(
        supplier=supplier,
        offer=offer,
        option=option,
        power_kva=power_kva,
        figures=figures,
        applies_from=PrintedDay(day=dt.date.fromisoformat(day), precision="day", printed=day),
    )


def step_of(price: Decimal) -> Decimal:
    return Decimal(1).scaleb(int(price.as_tuple().exponent))


@pytest.mark.parametrize("grid", GRIDS, ids=" ".join)
def test_a_shipped_grid_passes_every_doubt(grid: tuple[str, str, str, str]) -> None:
    assert find_doubts(reading_of(map(shipped_line, GRIDS[grid])), Expected(taxes=("TTC",)), REFERENCES) == []


def test_every_shipped_grid_says_by_which_rules_of_its_supplier_it_is_checked() -> None:
    assert [(i["supplier"], i["offer"], i["option"], i["applies_from"]) for i in IDENTITIES] == list(
        dict.fromkeys((i["supplier"], i["offer"], i["option"], i["applies_from"]) for i in IDENTITIES)
    )
    named = {(i["supplier"], i["offer"], i["option"], i["applies_from"]): i for i in IDENTITIES}
    assert set(named) == set(GRIDS)
    without = Counter(key[0] for key, i in named.items() if not i["subscription_of"] and not i["prices_ht"])
    assert without == {"Alterna": 1, "Enercoop": 2, "Engie": 2}  # nothing is known of how they are made
    for (supplier, *_), rows in GRIDS.items():
        if {row.confidence for row in rows} == {"high"}:
            assert supplier in {"Mint Énergie", "TotalEnergies"}


@pytest.mark.parametrize(
    "identity",
    [one for one in IDENTITIES if one["subscription_of"]],
    ids=lambda one: f"{one['supplier']} {one['offer']} {one['option']} {one['applies_from']}",
)
def test_a_subscription_is_the_regulated_one_with_the_duties_of_its_day(identity: dict[str, str]) -> None:
    """HT of the regulated tariff of some day, what the supplier adds, and the CTA of its network formulas."""
    option, day = identity["subscription_of"].split()
    plus = Decimal(identity["plus_eur_per_year_ht"])
    rows = [row for row in grid(identity) if row.tariff.power_kva in USUAL_POWERS]
    assert len(rows) >= 8
    for row in rows:
        tariff = row.tariff
        regulated = REFERENCES.regulated.on(dt.date.fromisoformat(day), option, tariff.power_kva)
        assert regulated is not None
        assert regulated.subscription_eur_per_year_ht is not None
        duties, on = REFERENCES.duties, tariff.applies_from
        formula = formula_at(identity["cta_formulas"], tariff.power_kva)
        cta = duties.rate("cta", on) / 100 * duties.turpe_fixed_eur_per_year_ht(formula, tariff.power_kva, on)
        ht = regulated.subscription_eur_per_year_ht + plus + cta
        month = ht * (1 + duties.rate("tva_subscription", on) / 100) / 12
        assert tariff.subscription_eur_per_year_ttc is not None
        assert abs(month - tariff.subscription_eur_per_year_ttc / 12) <= CENT, (tariff.power_kva, month)


def formula_at(formulas: str, power_kva: int) -> str:
    """The network formula at a power, of a text such as `CU4:3-6 MU4:9-36`."""
    for word in formulas.split():
        formula, low, high = re.split("[:-]", word)
        if int(low) <= power_kva <= int(high):
            return formula
    raise AssertionError(f"no formula at {power_kva} kVA in {formulas}")


def grid(identity: dict[str, str]) -> list[CatalogueTariff]:
    return GRIDS[identity["supplier"], identity["offer"], identity["option"], identity["applies_from"]]


@pytest.mark.parametrize(
    "identity",
    [one for one in IDENTITIES if one["prices_ht"]],
    ids=lambda one: f"{one['supplier']} {one['offer']} {one['option']} {one['applies_from']}",
)
def test_a_price_follows_from_the_one_that_its_supplier_starts_from(identity: dict[str, str]) -> None:
    """Such as `HP=0.89*HPHC.HP@2026-08-01`: 11 % below the regulated HT; `WE=0.7*SEM`: 30 % below."""
    for row in grid(identity):
        tariff, prices = row.tariff, row.tariff.prices_eur_per_kwh_ttc
        duties = REFERENCES.duties
        accise = duties.rate("accise", tariff.applies_from)
        tva = 1 + duties.rate("tva_kwh", tariff.applies_from) / 100
        for rule in identity["prices_ht"].split():
            register, factor, option, other, day = read_rule(rule)
            if day is None:
                base = prices[other] / tva - accise
            else:
                found = REFERENCES.regulated.price(day, option, tariff.power_kva, other, "HT")
                assert found is not None
                base = found
            due = (base * factor + accise) * tva
            # A digit of HT: the suppliers round it before they add the duties, or do not.
            digit = step_of(prices[register]) * tva
            assert abs(due - prices[register]) <= digit, (tariff.power_kva, rule, due)


def read_rule(rule: str) -> tuple[str, Decimal, str, str, dt.date | None]:
    register, _, formula = rule.partition("=")
    factor, _, source = formula.partition("*")
    name, _, day = source.partition("@")
    option, _, other = name.rpartition(".")
    return register, Decimal(factor), option, other, dt.date.fromisoformat(day) if day else None


def test_a_shipped_row_is_secondary_and_names_the_sheet_and_its_confidence() -> None:
    kinds = {source.id: (source.kind, source.title) for source in shipped_sources()}
    assert len(SHIPPED) > 500
    for row in SHIPPED:
        (source,) = row.sources
        kind, title = kinds[source]
        assert kind == "secondary"
        assert re.match(r"JC144/EDF_Simulateur_Prix@[0-9a-f]{7}, ", title)
        assert row.sheet_url is not None
        assert row.confidence in {"medium", "high"}
        assert row.tariff.subscription_eur_per_year_ht is None
        assert row.tariff.prices_eur_per_kwh_ht == {}


def test_what_is_left_out_has_a_reason_that_is_defined() -> None:
    assert {one["reason"] for one in LEFT_OUT} <= {*RULES, *REASONS}
    assert all(one["why"] and one["powers_kva"] for one in LEFT_OUT)


def source_rows() -> list[dict[str, str]]:
    return table(SHARED / "offers" / "market_offers_2026-09.csv")


def names() -> dict[tuple[str, str], dict[str, str]]:
    """What the older rows call an offer, and what it is called here."""
    return {(one["supplier"], one["offer_in_source"]): one for one in table(HERE / "market_names_2026.csv")}


SIX_REGISTERS = {"ZEN_ESTIVAL": "SAISON_SUPER_CREUSES", "HSC_SAISON": "SAISON_SUPER_CREUSES"}


def contract_of(row: dict[str, str]) -> ContractDay:
    """The contract and first day that a row of the source speaks of, in the catalogue's names."""
    offer, option = row["offer"], row["option"].partition(" ")[0]
    if option == "(as":
        found = names()[row["supplier"], offer]
        offer, option = found["offer"], found["option"]
    option = SIX_REGISTERS.get(option, option)
    return row["supplier"], offer, option, int(row["power_kva"]), row["applies_from"]


def prices_of(row: dict[str, str]) -> dict[str, Decimal]:
    """The prices of a row of the source by the catalogue's registers."""
    prices = dict(word.split("=") for word in row["prices_eur_per_kwh_ttc"].split())
    if row["option"].startswith("(as"):
        spelled = names()[row["supplier"], row["offer"]]["registers"]
        registers = dict(word.split("=") for word in spelled.split())
        for name, price in prices.items():  # two names of one register have one price
            same = {p for n, p in prices.items() if registers[n] == registers[name]}
            assert registers[name] == "-" or same == {price}
        prices = {registers[name]: price for name, price in prices.items() if registers[name] != "-"}
    # One price was printed as a binary number: 0.20639000000000003.
    return {r: Decimal(p) if len(p) < 10 else round(Decimal(p), 6) for r, p in prices.items()}


def left_out_keys() -> Iterator[tuple[tuple[str, ...], str]]:
    for one in LEFT_OUT:
        grid = one["supplier"], one["offer"], one["option"], one["applies_from"], one["state_known_until"]
        for power in one["powers_kva"].split():
            yield (*grid, power), one["reason"]


@needs_shared_data
def test_every_row_of_the_source_is_shipped_as_it_is_or_left_out_with_a_reason() -> None:
    left_out = dict(left_out_keys())
    shipped = {(*grid_of(row)[:3], row.tariff.power_kva, grid_of(row)[3]): row for row in SHIPPED}
    rows, met = source_rows(), set()
    assert len(rows) == 856
    for row in rows:
        columns = ("supplier", "offer", "option", "applies_from", "state_known_until", "power_kva")
        reason = left_out.pop(tuple(row[column] for column in columns), None)
        if reason not in (None, "duplicate"):
            continue
        key = contract_of(row)
        line = shipped[key]
        same_figures(line, row)
        if reason is None:
            met.add(key)
            assert line.sheet_url == row["price_url"]
            assert str(line.observed_on) == read_on(row)
            assert row["confidence"] in ("medium", "medium-high")
            assert line.confidence == "medium" or row["confidence"] == "medium-high"
    assert left_out == {}
    assert met == set(shipped)


def read_on(row: dict[str, str]) -> str:
    """The day on which the source read a row: finding the sheet's bytes unchanged later is no reading."""
    if "PDF unchanged" in row["note"]:
        return "2026-05-18"  # of the commit that the row names, as of its other rows
    lately = re.search(r"last reconciled (\S+)", row["note"])
    return lately[1] if lately else row["state_known_until"]


def same_figures(line: CatalogueTariff, row: dict[str, str]) -> None:
    tariff, month = line.tariff, Decimal(row["subscription_eur_per_month_ttc"])
    assert tariff.prices_eur_per_kwh_ttc == prices_of(row), tariff
    assert tariff.subscription_eur_per_year_ttc is not None
    # Engie prints a year's amount, which the source gives by month.
    allowed = step_of(month) * 6 if tariff.supplier == "Engie" else Decimal(0)
    assert abs(tariff.subscription_eur_per_year_ttc - month * 12) <= allowed, tariff


@needs_shared_data
def test_a_grid_that_is_left_out_for_a_doubt_has_that_doubt() -> None:
    doubted = [one for one in LEFT_OUT if one["reason"] in RULES]
    assert len(doubted) >= 10
    for one in doubted:
        rows = [
            row
            for row in source_rows()
            if all(row[column] == one[column] for column in ("supplier", "offer", "option", "applies_from"))
        ]
        lines = [
            make_line(contract_of(row), Decimal(row["subscription_eur_per_month_ttc"]) * 12, prices_of(row))
            for row in rows
        ]
        doubts = find_doubts(reading_of(lines), Expected(taxes=("TTC",)), REFERENCES)
        assert one["reason"] in {doubt.rule for doubt in doubts}, one
        assert one["why"] == "; ".join(dict.fromkeys(doubt.message for doubt in doubts)), one


@pytest.mark.parametrize("page", ["use.md", "utilisation.md"])
def test_the_documentation_counts_what_is_shipped_and_what_is_left_out(page: str) -> None:
    text = (HERE.parents[1] / "docs" / page).read_text("utf-8")
    left_out = Counter(reason for _, reason in left_out_keys())
    counted = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", text, re.MULTILINE))
    assert {reason: int(rows) for reason, rows in counted.items()} == left_out
    offers = {(row.tariff.supplier, row.tariff.offer) for row in SHIPPED}
    assert re.search(rf"\b{len(SHIPPED)} (rows of|lignes de) {len(offers)} (offers|offres)\b", text)
    days = [str(row.observed_on) for row in SHIPPED]
    assert min(days) in text
    assert max(days) in text
