"""A new supplier: the draft of a source's file from a sheet, and the check of the file with the sheet."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.ingest.declarations import TO_COMPLETE, load_source
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest import unprepared_sheets
from tests.ingest.corpus import SHEETS, cells_of, pdf_of, truth_of
from tests.ingest.drawn_sheets import (
    FROM_6,
    USUAL,
    Drawing,
    drawn_words,
    gross_and_discounted,
    simple_and_double,
)
from tests.ingest.hostile_documents import encrypted
from tests.ingest.unprepared_sheets import each, kva, price, subscriptions
from tests.ops.dockerfile import REPOSITORY
from tests.shared_data import needs_shared_data


def openwatt(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def draft(folder: Path, pdf: bytes, name: str = "lumen") -> Path:
    """The draft of a sheet, in a file."""
    sheet, file = folder / f"{name}.pdf", folder / f"{name}.yaml"
    sheet.write_bytes(pdf)
    done = openwatt("inspect", sheet, "--draft", "--output", file)
    assert done.exit_code == 0, done.output
    return file


def check(file: Path, *arguments: object) -> Result:
    return openwatt("sources", "check", file, "--document", file.with_suffix(".pdf"), *arguments)


def a_new_supplier(first: str = "Offre Lumen Fixe", *, company: bool = True, second: bool = False) -> bytes:
    """A sheet of a supplier that nobody knows, with one offer or two."""
    d = Drawing()
    offers = [first, "Offre Lumen Variable"] if second else [first]
    for i, title in enumerate(offers):
        y = 60 + 250 * i
        d.text(60, y, title, 14)
        d.text(60, y + 20, "Grille tarifaire applicable au 01/08/2025")
        header = [
            "Puissance@0 | Abonnement (€/mois)@1-2 | Heures Pleines €/kWh@3-4 | Heures Creuses €/kWh@5-6",
            "souscrite@0 | " + " | ".join(f"{('TTC', 'HT')[j % 2]}@{j}" for j in range(1, 7)),
        ]
        columns = [subscriptions(FROM_6, s) for s in ("HT", "TTC")]
        columns += [each(price("HPHC", r, s), FROM_6) for r in ("HP", "HC") for s in ("HT", "TTC")]
        d.table(60, y + 50, (60, *([65] * 6)), header, (kva(FROM_6), *columns))
    if company:
        d.text(60, 700, "Lumen Énergies SAS au capital de 100 000 euros - www.lumen-energies.example.fr")
    return d.pdf()


def test_the_draft_of_a_plain_sheet_needs_no_edit(tmp_path: Path) -> None:
    file = draft(tmp_path, a_new_supplier())
    source = load_source(file)
    assert (source.name, source.supplier, source.format) == ("lumen", "Lumen Énergies", "grid_pdf")
    assert source.taxes == ("HT", "TTC")
    assert source.date_after == "tarifaire applicable"
    (offer,) = source.offers
    assert offer.name == "Lumen Fixe"
    assert offer.options == {"HPHC": (6, 9, 12, 15, 18, 24, 30, 36)}
    done = check(file)
    assert done.exit_code == 0, done.output
    assert "lumen: nothing is wanting" in done.output


@pytest.mark.parametrize("page", ["new-supplier.md", "nouveau-fournisseur.md"])
def test_the_transcript_of_the_docs_is_real(page: str, tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    file = draft(tmp_path, a_new_supplier("Nos prix"))
    assert f"```yaml\n{file.read_text().split('wanting.', 1)[1].lstrip()}```" in text
    printed = check(file).output.splitlines()
    assert printed[-2:] == ["to complete: offers[0].name", "no meaning for: page 1: « Nos prix »"]
    assert "\n".join(printed[-2:]) in text


def test_two_offers_are_separated_by_their_titles(tmp_path: Path) -> None:
    source = load_source(draft(tmp_path, a_new_supplier(second=True)))
    assert [(offer.name, offer.title) for offer in source.offers] == [
        ("Lumen Fixe", "fixe"),
        ("Lumen Variable", "variable"),
    ]


def test_what_the_sheet_does_not_say_is_to_be_completed(tmp_path: Path) -> None:
    file = draft(tmp_path, a_new_supplier("Nos prix", company=False))
    assert f'supplier: "{TO_COMPLETE}"' in file.read_text()
    done = check(file, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["to_complete"][:2] == ["supplier", "recognise"]
    assert said["document"]["outcome"] == "published"
    assert len(said["document"]["tariffs"]) == len(FROM_6)


def test_a_draft_says_each_doubt_with_the_sheets_own_words_and_a_remedy(tmp_path: Path) -> None:
    text = draft(tmp_path, gross_and_discounted().pdf).read_text()
    assert (
        "# - layout, page 1, table at 3 … 36 kVA: two figures for BASE HT at 3 kVA: 0,1547 and 0,1147" in text
    )
    assert "#     another tariff? `decoys: [WORD]` of its header; two variants? `column: WORD`" in text
    assert "page 1: 3 kVA 102,90" in text


@pytest.mark.parametrize("layout", unprepared_sheets.LAYOUTS[::6], ids=lambda layout: layout.__name__)
def test_a_draft_of_any_layout_is_a_file_that_can_be_read(
    layout: Callable[[], unprepared_sheets.Unprepared], tmp_path: Path
) -> None:
    sheet = layout()
    source = load_source(draft(tmp_path, sheet.pdf))
    options: dict[str, set[int]] = {}
    for _, option, power, _, _ in sheet.expected:
        options.setdefault(option, set()).add(power)
    drafted = {option: set(powers) for option, powers in source.offers[0].options.items()}
    assert drafted == options


@needs_shared_data
@pytest.mark.parametrize("sheet", ["mint_classic_green", "alpiq", "plenifix", "bellenergie_part"])
def test_a_draft_of_a_real_sheet_reads_it_to_the_last_figure(sheet: str, tmp_path: Path) -> None:
    """As if its source did not exist; names of offers are a person's to correct, figures are not."""
    assert sheet in SHEETS
    pdf = pdf_of(sheet).read_bytes()
    source = load_source(draft(tmp_path, pdf))
    read = cells_of(read_sheet(read_pages(pdf), source).lines)
    assert sorted((*key[1:], amount) for key, amount in read.items()) == sorted(
        (*key[1:], amount) for key, amount in truth_of(sheet).cells.items()
    )


def test_a_sheet_cannot_write_lines_of_its_own_into_the_draft(tmp_path: Path) -> None:
    d = Drawing()
    d.text(40, 40, 'Offre Lumen\nregulated: true" \\', 14)
    d.text(40, 60, 'Évil "}]\nregulated: true #SAS au capital, grille applicable au 01/08/2025')
    header = ['Puissance@0 | Abonnement TTC (€/mois) " regulated: true@1 | Prix du kWh TTC@2']
    d.table(50, 100, (60, 120, 120), header, (kva(USUAL), subscriptions(USUAL, "TTC"), "= 0,1908"))
    assert load_source(draft(tmp_path, d.pdf())).regulated is False


def test_every_fault_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lumen.yaml"
    file.write_text("name: other\nformat: pdf\nsupplier: Lumen\ncadence_days: 0\nclolour: blue\n")
    done = openwatt("sources", "check", file)
    assert done.exit_code == 1
    assert [line.split(" ")[1] for line in done.output.splitlines()] == [
        "name",
        "format",
        "cadence_days",
        "clolour",
        "note",
    ]
    said = json.loads(openwatt("sources", "check", file, "--json").stdout)
    assert (said["complete"], len(said["faults"])) == (False, 5)


def test_missing_powers_and_phrases_are_named(tmp_path: Path) -> None:
    file = draft(tmp_path, a_new_supplier())
    file.write_text(file.read_text().replace("HPHC: 6 9", "HPHC: 3 6 9").replace("lumen fixe", "lumen vert"))
    done = check(file)
    assert done.exit_code == 1
    flat = " ".join(done.output.split())
    assert "powers-missing Lumen Fixe HPHC 6, 9, 12, 15, 18, 24 … kVA: 3 kVA not read" in flat
    assert "recognise: « lumen vert » is not in the document" in flat


def test_a_document_of_another_source_is_said_to_be(tmp_path: Path) -> None:
    done = check(draft(tmp_path, simple_and_double().pdf))
    assert done.exit_code == 1
    assert "recognise: the source yeli_verte recognises the document too" in " ".join(done.output.split())


def many_pages() -> bytes:
    d = Drawing()
    for _ in range(200):
        d.text(40, 40, "Grille")
        d.next_page()
    return d.pdf()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"", "not a PDF"),
        (lambda: bytes(range(256)) * 50, "not a PDF"),
        (lambda: b"<html>no</html>", "not a PDF: the bytes are an HTML page"),
        (encrypted, "locked by a password"),
        (many_pages, "200 pages, the limit is 150"),
        (drawn_words, "no text: manual entry"),
    ],
    ids=["empty", "binary", "html", "encrypted", "200 pages", "picture only"],
)
def test_what_is_no_sheet_gets_a_sentence(content: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    sheet, good = tmp_path / "sheet.pdf", draft(tmp_path, a_new_supplier())
    sheet.write_bytes(content())
    done = openwatt("inspect", sheet, "--draft")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("no draft: ")
    assert reason in done.stderr
    done = openwatt("sources", "check", good, "--document", sheet)
    assert done.exit_code == (1 if content is drawn_words else 2)
    assert reason in " ".join(done.output.split())


@pytest.mark.parametrize("content", [bytes(range(256)), b"format: [", b"[" * 5000, b"x" * 200_000, b""])
def test_what_is_no_file_of_a_source_gets_a_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "lumen.yaml"
    file.write_bytes(content)
    done = openwatt("sources", "check", file)
    assert done.exit_code == 1
    assert done.output.startswith("lumen.yaml: ")
    assert len(done.output) < 5_000


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.pdf"
    sheet.write_bytes(a_new_supplier())
    assert "--draft stands alone" in openwatt("inspect", sheet, "--draft", "--json").stderr
    assert "give --draft too" in openwatt("inspect", sheet, "--output", tmp_path / "x.yaml").stderr
    assert "give --json after `check`" in openwatt("sources", "--json", "check", sheet).stderr
