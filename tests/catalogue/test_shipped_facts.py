import csv
import datetime as dt
import hashlib
import io
import json
import re
from decimal import Decimal
from importlib.resources import files

import pytest

from openwatt.catalogue.offer_terms import read_offer_terms
from openwatt.catalogue.shipped_facts import (
    loaded_files,
    shipped_duties,
    shipped_observations,
    shipped_offer_terms,
    shipped_offers,
    shipped_sources,
    shipped_tariffs,
    shipped_tempo_colours,
)
from openwatt.catalogue.table import CatalogueError
from openwatt.domain.duties import DUTIES
from openwatt.domain.tax_identity import FORMULAS
from tests.shared_data import SHARED, needs_shared_data

COLOURS = {"BLUE": "BLEU", "WHITE": "BLANC", "RED": "ROUGE"}
#: What the typed figures call a supplier or offer, where the catalogue spells it in full.
SPELLING = {
    "Electricite Stable": "Électricité Stable",
    "Electricite Reference": "Électricité Référence",
    "Contrat electricite+": "Contrat électricité+",
    "Elec Reference 3 ans": "Elec Référence 3 ans",
    "EnRFixe+": "ÉnRFixe+",
    "Mint Energie": "Mint Énergie",
    "Ohm Energie": "Ohm Énergie",
    "Electricite Verte Equilibre": "Électricité Verte Équilibre",
    "wekiWEB Aurore fixe (prix remise)": "wekiWEB Aurore fixe (prix remisé)",
    "Yeli Electricite Verte": "Yéli Électricité Verte",
}


def rows(path: str) -> list[dict[str, str]]:
    with (SHARED / path).open(encoding="utf-8-sig", newline="") as lines:
        found = list(csv.DictReader(lines))
    assert found
    return found


@needs_shared_data
def test_every_cell_of_the_market_sheets_is_shipped() -> None:
    shipped = {
        (t.supplier, t.offer, t.option, t.power_kva): line
        for line in shipped_tariffs()
        if (t := line.tariff).supplier != "EDF" and line.sheet_url is None
    }
    sha256 = {source.id: source.document_sha256 for source in shipped_sources()}
    sheets = [
        path
        for path in sorted((SHARED / "grids/truth").glob("*.csv"))
        if not path.stem.endswith("_components") and not path.stem.startswith(("edf_", "trve_"))
    ]
    assert len(sheets) == 16
    met = 0
    for path in sheets:
        document = hashlib.sha256((SHARED / "grids/pdf" / f"{path.stem}.pdf").read_bytes()).hexdigest()
        for row in rows(f"grids/truth/{path.name}"):
            supplier, offer = (SPELLING.get(row[c], row[c]) for c in ("supplier", "offer"))
            line = shipped[supplier, offer, row["option"], int(row["kva"])]
            tariff = line.tariff
            assert not tariff.closed_to_new_customers
            assert [sha256[source] for source in line.sources] == [document]
            assert tariff.applies_from.isoformat() == (row["valid_from"] + "-01")[:10]
            assert (tariff.applies_to.isoformat() if tariff.applies_to else "") == row["valid_to"]
            for tax, amount, prices in (
                ("ht", tariff.subscription_eur_per_year_ht, tariff.prices_eur_per_kwh_ht),
                ("ttc", tariff.subscription_eur_per_year_ttc, tariff.prices_eur_per_kwh_ttc),
            ):
                year, month = row[f"abo_year_{tax}"], row[f"abo_month_{tax}"]
                expected = Decimal(year) if year else Decimal(month) * 12 if month else None
                assert amount == expected, tariff
                columns = [c for c in row if c.startswith("price_") and c.endswith(f"_{tax}") and row[c]]
                typed = {c.removeprefix("price_").removesuffix(f"_{tax}").upper(): row[c] for c in columns}
                assert prices == {register: Decimal(price) for register, price in typed.items()}, tariff
            met += 1
    assert met == len(shipped)


@needs_shared_data
def test_every_colour_is_that_of_the_calendar_and_keeps_its_doubts() -> None:
    days = shipped_tempo_colours()
    expected = [
        (dt.date.fromisoformat(r["date"]), COLOURS[r["colour"]], r["note"] or None)
        for r in rows("tempo/tempo_calendar.csv")
    ]
    assert len(expected) == 4416
    assert [(day.date, day.colour, day.note) for day in days] == expected


@needs_shared_data
def test_rtes_own_answers_agree_with_the_shipped_colours() -> None:
    shipped = {day.date.isoformat(): day.colour for day in shipped_tempo_colours()}
    answers = sorted((SHARED / "tempo/rte").glob("season_*.json"))
    assert len(answers) == 3
    for path in answers:
        values = json.loads(path.read_text())["values"]
        colours = {day: COLOURS[said] for day, said in values.items() if not day.endswith("-fallback")}
        assert len(colours) >= 360
        assert {day: shipped[day] for day in colours} == colours, path.name


def test_the_days_of_the_colours_follow_each_other() -> None:
    days = [day.date for day in shipped_tempo_colours()]
    assert days == [dt.date(2014, 9, 1) + dt.timedelta(days=n) for n in range(4416)]


@needs_shared_data
def test_every_rate_of_a_duty_is_shipped_with_its_dates() -> None:
    names = {
        "vat_consumption": "tva_kwh",
        "vat_subscription_and_cta": "tva_subscription",
        "cspe_accise": "accise",
        "tcfe_local_max": "tcfe_local_max",
        "cta_rate_distribution": "cta",
    }
    expected = {
        (
            names[r["component"]],
            r["valid_from"] or None,
            r["valid_to_inclusive"] or None,
            Decimal(r["value"]),
            "IMPLIED" in r["source"],
        )
        for r in rows("taxes/taxes_history.csv")
        if not (r["component"] == "cspe_accise" and r["valid_from"] == "2026-02-01")  # it gives no end
    }
    expected |= {
        (r["duty"], r["applies_from"], None if r["applies_to"] == "open" else r["applies_to"], value, False)
        for r in rows("taxes/duties_2026.csv")
        if r["duty"] in DUTIES
        for value in (Decimal(r["value"]),)
    }
    expected.add(("tcfe_local_max", "2023-02-01", None, Decimal(0), False))  # merged into the accise
    shipped = {
        (
            r.duty,
            r.applies_from.isoformat() if r.applies_from else None,
            r.applies_to.isoformat() if r.applies_to else None,
            r.value,
            r.implied,
        )
        for r in shipped_duties().rates
    }
    assert shipped == expected


@needs_shared_data
def test_every_fixed_part_of_the_network_is_shipped_and_a_derived_one_says_so() -> None:
    expected = {
        (
            r["formula"],
            r["power_kva"],
            "2025-08-01",
            "2026-07-31",
            Decimal(r["fixed_eur_per_year_excl_tax"]),
            False,
        )
        for r in rows("taxes/turpe7_residential_2025-08.csv")
    } | {
        (
            r["formula"],
            r["power_kva"],
            r["applies_from"],
            r["applies_to"],
            Decimal(r["fixed_eur_per_year_ht"]),
            True,
        )
        for r in rows("taxes/turpe_2026-08_derived.csv")
    }
    assert {
        (
            p.formula,
            str(p.power_kva),
            str(p.applies_from),
            str(p.applies_to),
            p.fixed_eur_per_year_ht,
            p.implied,
        )
        for p in shipped_duties().turpe
    } == expected


def test_no_dated_figure_outlasts_an_end_that_its_text_gives() -> None:
    """A note that names an end or a revision bounds its row, and so do those of the row's documents."""
    end = re.compile(r"\b(until|to|ends on|revised every year, on) (\d{4}-\d{2}-\d{2})")
    said = {source.id: source.note or "" for source in shipped_sources()}
    bounded = set()
    for name in ("duties.csv", "turpe.csv"):
        for row in csv.DictReader((files("openwatt.catalogue") / name).read_text("utf-8").splitlines()):
            of_sources = " ".join(said[source] for source in row["source"].split())
            for word, day in end.findall(f"{row['note']} {of_sources}"):
                last = dt.date.fromisoformat(day) - dt.timedelta(days="revised" in word)
                if last < dt.date.fromisoformat(row["applies_from"]):
                    continue  # a document that also gives the rate of an earlier period
                assert row["applies_to"] != "open", row
                assert dt.date.fromisoformat(row["applies_to"]) <= last, row
                bounded.add((row.get("duty") or row["formula"], row["applies_from"]))
    assert ("accise", "2026-08-01") in bounded
    assert {(formula, day) for formula in FORMULAS for day in ("2025-08-01", "2026-08-01")} <= bounded


def test_every_fact_names_sources_that_exist_and_every_source_serves() -> None:
    sources = {source.id: source for source in shipped_sources()}
    duties = shipped_duties()
    cited = [line.sources for line in shipped_observations()]
    cited += [day.sources for day in shipped_tempo_colours()]
    cited += [tuple(rate.source.split()) for rate in duties.rates]
    cited += [tuple(part.source.split()) for part in duties.turpe]
    assert all(cited)
    assert {source for sources in cited for source in sources} == set(sources)
    for line in shipped_observations():
        assert line.observed_on == max(sources[s].seen_on for s in line.sources), line.tariff


@needs_shared_data
def test_a_source_whose_document_is_at_hand_carries_its_hash() -> None:
    at_hand = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("grids/pdf", "trve/cre_open_data")
        for path in (SHARED / folder).iterdir()
    }
    shipped = {source.document_sha256 for source in shipped_sources() if source.document_sha256}
    assert len(shipped) > 20
    assert shipped <= at_hand


def test_every_offer_with_a_tariff_is_described_and_only_the_regulated_one_is_regulated() -> None:
    described = {(offer.supplier, offer.offer): offer for offer in shipped_offers()}
    priced = {(line.tariff.supplier, line.tariff.offer) for line in shipped_tariffs()}
    assert priced == {key for key, offer in described.items() if offer.no_price is None}
    assert {described[key].no_price for key in set(described) - priced} == {"spot", "hours"}
    assert [key for key, offer in described.items() if offer.regulated] == [("EDF", "Tarif Bleu")]


def test_the_terms_of_an_offer_are_of_a_known_offer_and_name_their_sources() -> None:
    terms = shipped_offer_terms()
    assert len(terms) > 30
    described = {(offer.supplier, offer.offer): offer for offer in shipped_offers()}
    # Every offer that can be ranked has a line, be it without a word on its price.
    assert set(terms) == {key for key, offer in described.items() if offer.no_price is None}
    known = {source.id for source in shipped_sources()}
    assert {source for one in terms.values() for source in one.sources} <= known
    regulated = {key for key, one in terms.items() if one.pricing == "regulated"}
    assert regulated == {key for key, offer in described.items() if offer.regulated}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"fixed_months": "12"}, "is not fixed"),
        ({"green_percent": "50"}, "is not green"),
        ({"green": "1", "green_percent": "101"}, "is not green"),
        ({"pricing": "cheap"}, "is none of"),
        ({"conditions": "online by_horse"}, "is none of"),
        ({"page_url": "ftp://example.org"}, "is not a web address"),
    ],
)
def test_terms_that_contradict_themselves_are_refused(changed: dict[str, str], fault: str) -> None:
    columns = (
        "supplier offer pricing fixed_months fixed_until green green_percent conditions page_url source note"
    )
    cells = dict.fromkeys(columns.split(), "") | {"supplier": "A", "offer": "B", "source": "c"}
    table = io.StringIO(f"{','.join(cells)}\n{','.join((cells | changed).values())}\n")
    with pytest.raises(CatalogueError, match=fault):
        read_offer_terms(table)


def test_prices_are_written_to_a_hundredth_of_a_cent_and_amounts_to_the_cent() -> None:
    names = [file.name for file in loaded_files() if file.name.startswith("tariffs")]
    assert {"tariffs.csv", "tariffs_market_2025.csv", "tariffs_regulated_2026.csv"} <= set(names)
    for name in names:
        lines = (files("openwatt.catalogue") / name).read_text(encoding="utf-8").splitlines()
        found = list(csv.DictReader(lines))
        assert found
        for row in found:
            for tax in ("ht", "ttc"):
                assert re.fullmatch(r"(\d+\.\d{2,})?", row[f"subscription_eur_per_year_{tax}"]), row
                prices = row[f"prices_eur_per_kwh_{tax}"]
                assert re.fullmatch(r"([A-Z_]+=\d\.\d{4,6}( |$))*", prices), row
