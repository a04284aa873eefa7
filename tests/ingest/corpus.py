"""The shared corpus of real sheets, and what each truly says, typed by eye from its pages."""

import csv
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from openwatt.catalogue.references import shipped_references
from openwatt.domain.reading import Line, Reading
from openwatt.ingest.declarations import SourceDeclaration, load_sources
from openwatt.ingest.readers.figures import plain
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import Page, read_pages
from tests.shared_data import SHARED

SOURCES = load_sources()
REFERENCES = shipped_references()

#: Sheet → the source that reads it.
SHEETS = {
    "alpiq": "alpiq",
    "bellenergie_part": "bellenergie_part",
    "dyneff_base": "dyneff_base",
    "dyneff_hphc": "dyneff_hphc",
    "edf_tarif_bleu": "edf_tarif_bleu",
    "edf_tarif_bleu_20220201": "edf_tarif_bleu",
    "edf_tarif_bleu_20240201": "edf_tarif_bleu",
    "edf_tarif_bleu_20250201": "edf_tarif_bleu",
    "edf_tarif_bleu_20260201": "edf_tarif_bleu",
    "engie_reference": "engie_reference",
    "ilek_311": "ilek_311",
    "mint_classic_green": "mint_classic_green",
    "octopus_ecoconso": "octopus_ecoconso",
    "ohm_classique": "ohm_classique",
    "plenifix": "plenifix",
    "total_heures_eco": "total_heures_eco",
    "total_standard_fixe": "total_standard_fixe",
    "total_verte_fixe": "total_verte_fixe",
    "trve_cre_2025_07": "cre_annex",
    "wekiwi_aurore": "wekiwi_aurore",
    "yeli_verte": "yeli_verte",
}
#: Sheets on which the supplier printed something wrong, and the rules that say so.
MISPRINTED = {
    "dyneff_hphc": {"price-taxes", "decoy-unlike"},
    "octopus_ecoconso": {"subscription-order", "subscription-taxes"},
    "wekiwi_aurore": {"subscription-taxes"},
}

#: (offer, option, power, meaning, side) → the amount in EUR per year or per kWh.
Cells = dict[tuple[str, str, int, str, str], Decimal]

_EJP = {"HC": "HN", "HP": "PM"}


@dataclass(frozen=True)
class Truth:
    """Every cell that a sheet prints, and the days it is valid per offer."""

    cells: Cells
    valid: frozenset[tuple[str, str, str]]


def pdf_of(sheet: str) -> Path:
    return SHARED / "grids" / "pdf" / f"{sheet}.pdf"


@cache
def pages_of(sheet: str) -> tuple[Page, ...]:
    return read_pages(pdf_of(sheet).read_bytes())


@cache
def reading_of(sheet: str) -> Reading:
    return read_sheet(pages_of(sheet), source_of(sheet))


def source_of(sheet: str) -> SourceDeclaration:
    return SOURCES[SHEETS[sheet]]


def cells_of(lines: tuple[Line, ...]) -> Cells:
    return {
        (plain(line.offer), line.option, line.power_kva, meaning, side): figure.amount
        for line in lines
        for (meaning, side), figure in line.figures.items()
    }


def valid_of(lines: tuple[Line, ...]) -> frozenset[tuple[str, str, str]]:
    """(offer, first day or month, last day) as the truth files write them."""
    return frozenset(
        (
            plain(line.offer),
            ""
            if line.applies_from is None
            else str(line.applies_from.day)[: 7 if line.applies_from.precision == "month" else 10],
            str(line.applies_to or ""),
        )
        for line in lines
    )


@cache
def truth_of(sheet: str) -> Truth:
    if sheet.startswith("edf_tarif_bleu"):
        return _billed(sheet)
    cells: Cells = {}
    valid = set()
    with (SHARED / "grids" / "truth" / f"{sheet}.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            offer = "tarif bleu" if sheet == "trve_cre_2025_07" else plain(row["offer"])
            valid.add((offer, row["valid_from"], row["valid_to"]))
            for column, cell in row.items():
                name, _, side = column.rpartition("_")
                if not cell or not name.startswith(("abo_", "price_")):
                    continue
                if name == "abo_month" and row[f"abo_year_{side}"]:
                    continue
                meaning = "subscription" if name.startswith("abo_") else _register(name, row["option"])
                amount = Decimal(cell) * (12 if name == "abo_month" else 1)
                cells[offer, row["option"], int(row["kva"]), meaning, side.upper()] = amount
    assert cells
    return Truth(cells, frozenset(valid))


def _register(name: str, option: str) -> str:
    register = name.removeprefix("price_").upper()
    return _EJP[register] if option == "EJP" else {"SHC": "HSC"}.get(register, register)


def _billed(sheet: str) -> Truth:
    """The regulated tariff as billed, for the sheets that have no truth file of their own."""
    stamp = sheet.rpartition("_")[2]
    day = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}" if stamp.isdigit() else "2025-08-01"
    cells: Cells = {}
    with (SHARED / "trve" / "trve_history_edf_grid.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["valid_from"] == day:
                key = ("tarif bleu", row["option"], int(row["power_kva"]))
                cells[*key, "subscription", "TTC"] = Decimal(row["fixed_eur_per_month_incl_tax_edf"]) * 12
                cells[*key, row["period"].upper(), "TTC"] = Decimal(row["price_eur_per_kwh_incl_tax_edf"])
    assert cells
    return Truth(cells, frozenset({("tarif bleu", str(dt.date.fromisoformat(day)), "")}))
