"""What the reader cannot make agree is said, with the place, instead of being guessed."""

from dataclasses import replace

import pytest

from openwatt.ingest.declarations import SourceDeclaration, load_sources
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import Page, read_pages
from tests.ingest.drawn_sheets import (
    Drawing,
    gross_and_discounted,
    merged_price_cells,
    struck_price_above_the_real_one,
    three_components,
)

SOURCES = load_sources()


def faults(pdf: bytes | tuple[Page, ...], source: SourceDeclaration | None) -> list[tuple[str, str]]:
    pages = read_pages(pdf) if isinstance(pdf, bytes) else pdf
    return [(fault.rule, fault.message) for fault in read_sheet(pages, source).faults]


def with_word(pdf: bytes, old: str, new: str, *, times: int = 1) -> tuple[Page, ...]:
    """The pages of a PDF with the first words that read `old` reading `new` instead."""
    pages = []
    for page in read_pages(pdf):
        words = list(page.words)
        for i, word in enumerate(words):
            if word.text == old and times:
                words[i] = replace(word, text=new)
                times -= 1
        pages.append(replace(page, words=tuple(words)))
    assert times == 0
    return tuple(pages)


def test_a_table_under_no_known_title_belongs_to_nobody() -> None:
    source = SOURCES["bellenergie_part"]
    offers = tuple(replace(offer, title=f"{offer.title}-2") for offer in source.offers)
    found = faults(struck_price_above_the_real_one().pdf, replace(source, offers=offers))
    assert {rule for rule, _ in found} == {"offer-unknown"}
    assert found[0][1].startswith("no title of an offer stands above: « option base")


def test_a_component_that_is_not_there_is_named() -> None:
    source = replace(SOURCES["engie_reference"], compose={"BASE": ("fourniture comptage simple", "stockage")})
    assert faults(three_components().pdf, source) == [
        ("part-missing", "0 tables under « stockage », one is needed")
    ]


def test_a_document_without_the_required_phrase_is_another_document() -> None:
    found = faults(
        merged_price_cells().pdf, replace(SOURCES["mint_classic_green"], page_phrases=("heures du soir",))
    )
    assert found == [("phrase-missing", "no page says « heures du soir »: is it the right document?")]


def test_two_days_are_not_chosen_between() -> None:
    d = Drawing()
    d.text(50, 50, "Grille tarifaire applicable au 01/08/2025, puis prix applicables au 01/02/2026")
    header = ["Puissance@0 | Abonnement TTC (€/mois)@1 | Prix du kWh TTC@2"]
    d.table(50, 100, (60, 120, 120), header, ("3 6 9 12", "11,73 15,47 19,39 23,32", "= 0,1952"))
    assert faults(d.pdf(), None) == [
        (
            "date-doubtful",
            "the sheet gives 01/08/2025 and 01/02/2026: say in the source which words the day follows",
        )
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Puissance@0 | Abonnement (€/mois)@1 | Prix du kWh@2", "no header says HT or TTC"),
        (
            "Puissance@0 | Abonnement TTC@1 | Prix du kWh TTC@2",
            "the header does not say whether the subscription is per month or year",
        ),
        (
            "Puissance@0 | Montant TTC par mois@1 | Montant TTC@2",
            "no header says which column is the subscription and which the price of a kWh",
        ),
        (
            "Puissance@0 | Prix du kWh TTC@1 | Abonnement TTC (€/mois)@2",
            "a column under « prix du kWh » holds 11.73 to 23.32",
        ),
        (
            "Option Tempo@0-2 | Puissance@0 | Abonnement TTC (€/mois)@1 | Prix du kWh TTC@2",
            "the title says TEMPO, the columns are those of BASE",
        ),
    ],
)
def test_a_header_that_does_not_say_enough_is_a_fault(header: str, message: str) -> None:
    d = Drawing()
    d.text(50, 50, "Grille tarifaire applicable au 01/08/2025, Electricité de tous pour tous les logements")
    lines = header.replace("Option Tempo@0-2 | ", "").split("\n")
    if header.startswith("Option"):
        lines.insert(0, "Option Tempo@0-2")
    d.table(50, 100, (60, 120, 120), lines, ("3 6 9 12", "11,73 15,47 19,39 23,32", "= 0,1952"))
    assert ("layout", message) in faults(d.pdf(), None)


def test_two_columns_for_one_price_are_not_chosen_between() -> None:
    """Gross and discounted prices, read without the source that tells them apart."""
    said = [message for _, message in faults(gross_and_discounted().pdf, None)]
    assert "two figures for BASE HT at 3 kVA: 0,1547 and 0,1147" in said


def test_a_header_of_one_hour_too_many_is_told() -> None:
    pages = with_word(merged_price_cells().pdf, "HP", "BASE")
    found = faults(pages, SOURCES["mint_classic_green"])
    assert found
    assert {rule for rule, _ in found} == {"layout"}
