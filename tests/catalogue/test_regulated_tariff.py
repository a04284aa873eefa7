import csv
import datetime as dt
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest

from openwatt.catalogue.shipped_facts import (
    shipped_duties,
    shipped_observations,
    shipped_sources,
    shipped_tariffs,
)
from openwatt.catalogue.tariffs import CatalogueTariff
from openwatt.domain.duties import price_eur_per_kwh_ttc, subscription_eur_per_month_ttc
from tests.shared_data import SHARED, needs_shared_data

#: The day after each period's start, so that what is compared is the period and not its first row.
A_DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def regulated() -> tuple[CatalogueTariff, ...]:
    return tuple(line for line in shipped_tariffs() if line.tariff.offer == "Tarif Bleu")


def in_force(lines: tuple[CatalogueTariff, ...], option: str, power_kva: int, day: str) -> CatalogueTariff:
    on = dt.date.fromisoformat(day)
    found = [
        line
        for line in lines
        if (line.tariff.option, line.tariff.power_kva) == (option, power_kva)
        and line.tariff.applies_from <= on <= (line.tariff.applies_to or dt.date.max)
    ]
    assert len(found) == 1, (option, power_kva, day)
    return found[0]


def rows(path: str) -> list[dict[str, str]]:
    with (SHARED / path).open(encoding="utf-8-sig", newline="") as lines:
        found = list(csv.DictReader(lines))
    assert found
    return found


def test_the_examples_of_the_service_hold(regulated: tuple[CatalogueTariff, ...]) -> None:
    base = in_force(regulated, "BASE", 6, "2025-09-01").tariff
    assert base.subscription_eur_per_year_ttc == Decimal("185.64")
    assert base.subscription_eur_per_year_ht == Decimal("132.84")
    assert base.prices_eur_per_kwh_ttc == {"BASE": Decimal("0.1952")}
    assert base.prices_eur_per_kwh_ht == {"BASE": Decimal("0.1327")}
    six, nine = (in_force(regulated, "BASE", kva, "2026-03-01").tariff for kva in (6, 9))
    assert str(six.prices_eur_per_kwh_ttc["BASE"]) == "0.1940"
    assert str(nine.prices_eur_per_kwh_ttc["BASE"]) == "0.1927"
    tempo = in_force(regulated, "TEMPO", 9, "2022-06-01").tariff
    assert tempo.prices_eur_per_kwh_ttc["BLEU_HC"] == Decimal("0.0862")
    assert tempo.prices_eur_per_kwh_ttc["ROUGE_HP"] == Decimal("0.5486")
    assert "BLEU_HC=0.0902" in (tempo.note or "")
    today = in_force(regulated, "TEMPO", 6, "2026-10-01").tariff
    assert today.prices_eur_per_kwh_ttc["ROUGE_HP"] == Decimal("0.7295")


@needs_shared_data
def test_every_figure_without_taxes_is_the_regulators(regulated: tuple[CatalogueTariff, ...]) -> None:
    for row in rows("trve/trve_history_cre.csv"):
        for day in (row["valid_from"], row["valid_to_inclusive"] or "2026-01-31"):
            tariff = in_force(regulated, row["option"], int(row["power_kva"]), day).tariff
            assert tariff.subscription_eur_per_year_ht == Decimal(row["fixed_eur_per_year_excl_tax"]), tariff
            price = tariff.prices_eur_per_kwh_ht[row["period"].upper()]
            assert price == Decimal(row["price_eur_per_kwh_excl_tax"]), tariff


@needs_shared_data
def test_the_regulators_own_files_say_the_same(regulated: tuple[CatalogueTariff, ...]) -> None:
    columns = {
        "Base": {"": "BASE"},
        "HPHC": {"_HC": "HC", "_HP": "HP"},
        "Tempo": {f"_{h}{c.title()}": f"{c}_{h}" for c in ("BLEU", "BLANC", "ROUGE") for h in ("HC", "HP")},
    }
    for option, registers in columns.items():
        path = SHARED / f"trve/cre_open_data/Option_{option}.csv"
        seen = 0
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines, delimiter=";"):
                if not row["PART_FIXE_HT"]:
                    continue
                day = "-".join(reversed(row["DATE_DEBUT"].split("/")))
                tariff = in_force(regulated, option.upper(), int(row["P_SOUSCRITE"]), day).tariff
                assert tariff.subscription_eur_per_year_ht == french(row["PART_FIXE_HT"])
                for suffix, register in registers.items():
                    expected = french(row[f"PART_VARIABLE{suffix}_HT"])
                    assert tariff.prices_eur_per_kwh_ht[register] == expected, tariff
                seen += 1
        assert seen >= 100, option


def french(number: str) -> Decimal:
    return Decimal(number.replace(",", "."))


@needs_shared_data
def test_every_billed_figure_wins(regulated: tuple[CatalogueTariff, ...]) -> None:
    for row in rows("trve/trve_history_edf_grid.csv"):
        line = in_force(regulated, row["option"], int(row["power_kva"]), row["valid_from"])
        tariff = line.tariff
        assert tariff.applies_from.isoformat() == row["valid_from"]
        assert (tariff.applies_to.isoformat() if tariff.applies_to else "") == row["valid_to_inclusive"]
        per_month = Decimal(row["fixed_eur_per_month_incl_tax_edf"])
        assert tariff.subscription_eur_per_year_ttc == per_month * 12, tariff
        price = tariff.prices_eur_per_kwh_ttc[row["period"].upper()]
        assert price == Decimal(row["price_eur_per_kwh_incl_tax_edf"]), tariff


@needs_shared_data
def test_the_regulators_prices_with_taxes_stand_where_nothing_billed_is_known(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    before = [r for r in rows("trve/trve_history_cre.csv") if r["valid_from"] < "2022-02-01"]
    assert before
    for row in before:
        tariff = in_force(regulated, row["option"], int(row["power_kva"]), row["valid_from"]).tariff
        assert tariff.subscription_eur_per_year_ttc == Decimal(row["fixed_eur_per_year_incl_tax_cre"])
        price = tariff.prices_eur_per_kwh_ttc[row["period"].upper()]
        assert price == Decimal(row["price_eur_per_kwh_incl_tax_cre"]), tariff


@needs_shared_data
def test_where_the_regulator_is_overruled_the_note_says_what_it_says(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    overruled = 0
    for row in rows("trve/trve_history_cre.csv"):
        tariff = in_force(regulated, row["option"], int(row["power_kva"]), row["valid_from"]).tariff
        said = Decimal(row["price_eur_per_kwh_incl_tax_cre"])
        if said != tariff.prices_eur_per_kwh_ttc[row["period"].upper()]:
            assert f"{row['period'].upper()}={said:.4f}" in (tariff.note or ""), tariff
            overruled += 1
        said = Decimal(row["fixed_eur_per_year_incl_tax_cre"])
        if said != tariff.subscription_eur_per_year_ttc:
            assert f"open data says {said:.2f} EUR/year" in (tariff.note or ""), tariff
    assert overruled >= 72  # six prices of six powers in two periods of 2022


@needs_shared_data
def test_the_annex_gives_what_the_open_data_lacks(regulated: tuple[CatalogueTariff, ...]) -> None:
    ejp = {"price_hc_ht": "HN", "price_hp_ht": "PM"}
    for row in rows("grids/truth/trve_cre_2025_07.csv"):
        tariff = in_force(regulated, row["option"], int(row["kva"]), "2025-08-01").tariff
        assert tariff.subscription_eur_per_year_ht == Decimal(row["abo_year_ht"])
        columns = [c for c in row if c.startswith("price_") and c.endswith("_ht") and row[c]]
        registers = {
            c: ejp[c] if row["option"] == "EJP" else c.removeprefix("price_").removesuffix("_ht").upper()
            for c in columns
        }
        assert tariff.prices_eur_per_kwh_ht == {r: Decimal(row[c]) for c, r in registers.items()}, tariff


@needs_shared_data
def test_prices_derived_from_those_with_taxes_said_so_and_are_superseded(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    first = tuple(
        line
        for line in shipped_observations()
        if line.tariff.offer == "Tarif Bleu" and line.observed_on < dt.date(2026, 9, 1)
    )
    for row in rows("trve/trve_2026-02_derived_excl_tax.csv"):
        key = row["option"], int(row["power_kva"]), "2026-02-01"
        tariff = in_force(first, *key).tariff
        assert tariff.subscription_eur_per_year_ht == Decimal(row["fixed_eur_per_year_excl_tax_DERIVED"])
        price = tariff.prices_eur_per_kwh_ht[row["period"].upper()]
        assert price == Decimal(row["price_eur_per_kwh_excl_tax_DERIVED"])
        assert "HT derived from TTC" in (tariff.note or "")
        confirmed = "confirmed by a row of the regulator" in (tariff.note or "")
        assert confirmed == (row["confirmed_by_cre_row"] == "yes")
        assert "derived" not in (in_force(regulated, *key).tariff.note or "")


def prices(cell: str) -> dict[str, Decimal]:
    pairs = (word.split("=") for word in cell.split())
    return {register: Decimal(price) for register, price in pairs}


@needs_shared_data
def test_both_periods_of_2026_are_shipped_field_by_field(regulated: tuple[CatalogueTariff, ...]) -> None:
    kinds = {source.id: source.kind for source in shipped_sources()}
    lines = {
        (t.option, t.power_kva, t.applies_from.isoformat()): line
        for line in regulated
        if (t := line.tariff).applies_from.year == 2026
    }
    assert len(lines) == 60
    for row in rows("trve/trve_2026.csv"):
        line = lines.pop((row["option"], int(row["power_kva"]), row["applies_from"]))
        confidence = row["confidence"].split()[0] if kinds[line.sources[-1]] == "secondary" else None
        assert line.confidence == confidence
        tariff = line.tariff
        assert (tariff.supplier, tariff.offer) == (row["supplier"], row["offer"])
        assert (tariff.applies_to.isoformat() if tariff.applies_to else "") == row["applies_to"]
        assert tariff.closed_to_new_customers == (row["closed_to_new_customers"] == "1")
        assert tariff.subscription_eur_per_year_ht == Decimal(row["subscription_eur_per_year_ht"])
        assert tariff.subscription_eur_per_year_ttc == Decimal(row["subscription_eur_per_year_ttc"])
        assert tariff.subscription_eur_per_year_ttc == Decimal(row["subscription_eur_per_month_ttc"]) * 12
        assert tariff.prices_eur_per_kwh_ht == prices(row["prices_eur_per_kwh_ht"])
        assert tariff.prices_eur_per_kwh_ttc == prices(row["prices_eur_per_kwh_ttc"])
    assert lines == {}


def test_every_identity_of_the_two_periods_of_2026_holds(regulated: tuple[CatalogueTariff, ...]) -> None:
    duties, kwh, subscriptions = shipped_duties(), 0, 0
    for tariff in (line.tariff for line in regulated if line.tariff.applies_from.year == 2026):
        on = tariff.applies_from
        assert set(tariff.prices_eur_per_kwh_ht) == set(tariff.prices_eur_per_kwh_ttc)
        for register, ht in tariff.prices_eur_per_kwh_ht.items():
            assert price_eur_per_kwh_ttc(ht, on, duties) == tariff.prices_eur_per_kwh_ttc[register], tariff
            kwh += 1
        assert tariff.subscription_eur_per_year_ht is not None
        per_month = subscription_eur_per_month_ttc(
            tariff.subscription_eur_per_year_ht, tariff.power_kva, on, duties, turpe_formula="CU4"
        )
        assert per_month * 12 == tariff.subscription_eur_per_year_ttc, tariff
        subscriptions += 1
    assert (kwh, subscriptions) == (162, 60)


def test_periods_of_one_contract_follow_each_other_without_a_hole(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    contracts = defaultdict(list)
    for line in regulated:
        contracts[line.tariff.option, line.tariff.power_kva].append(line.tariff)
    assert len(contracts) == 9 + 9 + 8 + 5
    for (option, power_kva), tariffs in contracts.items():
        ordered = sorted(tariffs, key=lambda tariff: tariff.applies_from)
        if (option, power_kva) == ("TEMPO", 24):
            # The annex of 2025-08-01 has one row for 24-30 kVA; the power itself is sold since 2026-08-01.
            assert [str(t.applies_from) for t in ordered] == ["2025-08-01", "2026-08-01"]
            assert str(ordered[0].applies_to) == "2026-01-31"
            continue
        for before, after in pairwise(ordered):
            assert before.applies_to is not None
            assert before.applies_to + A_DAY == after.applies_from, after
        first = min(tariff.applies_from for tariff in tariffs).isoformat()
        last = max(tariff.applies_to or dt.date.max for tariff in tariffs)
        assert last == dt.date.max, (option, power_kva)
        starts = {"BASE": "2012-07-23", "HPHC": "2012-07-23", "TEMPO": "2016-08-01", "EJP": "2025-08-01"}
        if (option, power_kva) == ("HPHC", 3):
            starts["HPHC"] = "2026-08-01"
        if option == "BASE" and power_kva >= 18:
            starts["BASE"] = "2022-02-01"
        if option == "TEMPO" and power_kva == 6:
            starts["TEMPO"] = "2023-02-01"
        assert first == starts[option], (option, power_kva)


def test_base_is_closed_to_new_customers_from_the_power_and_day_of_the_law(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    assert regulated
    for tariff in (line.tariff for line in regulated):
        smallest_closed = 9 if tariff.applies_from >= dt.date(2025, 2, 1) else 18
        closed = tariff.option == "EJP" or (tariff.option == "BASE" and tariff.power_kva >= smallest_closed)
        assert tariff.closed_to_new_customers == closed, tariff


def test_the_doubtful_subscriptions_of_november_2024_are_marked(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    copied = {("HPHC", 9), ("BASE", 15), ("TEMPO", 15)}
    lower = {("BASE", 36), ("HPHC", 30)}
    lines = [line.tariff for line in regulated if line.tariff.applies_from == dt.date(2024, 11, 1)]
    assert len(lines) == 24
    suspect = {(t.option, t.power_kva) for t in lines if "suspect" in (t.note or "")}
    assert suspect == copied | lower


def test_duties_lead_from_each_price_without_taxes_to_the_billed_one(
    regulated: tuple[CatalogueTariff, ...],
) -> None:
    duties, compared = shipped_duties(), 0
    for line in regulated:
        tariff, on = line.tariff, line.tariff.applies_from
        if on < dt.date(2022, 2, 1):
            continue
        for register, ht in tariff.prices_eur_per_kwh_ht.items():
            computed = price_eur_per_kwh_ttc(ht, on, duties)
            assert computed == tariff.prices_eur_per_kwh_ttc[register], (tariff, register)
            compared += 1
        if on >= dt.date(2025, 8, 1) and tariff.subscription_eur_per_year_ht is not None:
            per_month = subscription_eur_per_month_ttc(
                tariff.subscription_eur_per_year_ht, tariff.power_kva, on, duties, turpe_formula="CU4"
            )
            assert per_month * 12 == tariff.subscription_eur_per_year_ttc, tariff
    assert compared > 400
