import csv
import datetime as dt
from pathlib import Path

import pytest

from openwatt.catalogue.shipped_facts import shipped_offers, shipped_tariffs
from openwatt.ingest.declarations import FOLDER, SourceError, load_sources, recognise
from tests.shared_data import SHARED, needs_shared_data

GOOD = """
name: lumiere
supplier: Lumière
format: grid_pdf
address: https://lumiere.example/grille.pdf
cadence_days: 1
recognise: [lumiere sa]
offers:
  - name: Fixe
    options:
      BASE: 3 6 9
      HPHC: 6-36
exceptions:
  - rule: price-taxes
    what: HP
    why: the supplier corrected it by letter
    who: A. Dupont
    until: 2026-01-31
"""


def load(folder: Path, text: str, name: str = "lumiere") -> list[str]:
    (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(SourceError) as caught:
        load_sources(folder)
    return list(caught.value.faults)


def test_a_source_says_what_the_page_cannot(tmp_path: Path) -> None:
    (tmp_path / "lumiere.yaml").write_text(GOOD)
    source = load_sources(tmp_path)["lumiere"]
    assert source.offers[0].options == {"BASE": (3, 6, 9), "HPHC": tuple(range(6, 37))}
    assert source.taxes == ("HT", "TTC")
    assert source.waivers[0].until == dt.date(2026, 1, 31)


@pytest.mark.parametrize(
    ("change", "to", "fault"),
    [
        (
            "cadence_days: 1",
            "cadence_days: 0",
            "lumiere.yaml: cadence_days is 0; write a number of days from 1 to 366",
        ),
        (
            "cadence_days: 1",
            "",
            "lumiere.yaml: cadence_days is missing; write a number of days from 1 to 366",
        ),
        ("format: grid_pdf", "format: pdf", "lumiere.yaml: format is 'pdf'; use one of grid_pdf, cre_csv,"),
        (
            "https://",
            "http://",
            "lumiere.yaml: address is 'http://lumiere.example/grille.pdf'; write an https://",
        ),
        (
            "address: https://lumiere.example/grille.pdf",
            "",
            "lumiere.yaml: note is missing; say what is known",
        ),
        ("name: lumiere", "name: soleil", "lumiere.yaml: name is 'soleil'; the file's name says 'lumiere'"),
        ("BASE: 3 6 9", "BASE: 9 6 3", "lumiere.yaml: offers[0]: options is {'BASE': '9 6 3'"),
        ("BASE: 3 6 9", "NUIT: 3 6 9", "write an option with its powers"),
        (
            "rule: price-taxes",
            "rule: prices",
            "lumiere.yaml: exceptions[0]: rule is 'prices'; use one of no-text,",
        ),
        (
            "until: 2026-01-31",
            "until: soon",
            "exceptions[0]: until is 'soon'; write the last day as 2026-01-31",
        ),
        (
            "cadence_days: 1",
            "cadence: 1",
            "lumiere.yaml: cadence is not known; remove it, or use one of address,",
        ),
        ("    what: HP", "    wath: HP", "lumiere.yaml: exceptions[0]: wath is not known; remove it"),
        ("recognise: [lumiere sa]", "", "lumiere.yaml: recognise is missing; write phrases"),
        ("supplier: Lumière", "supplier: L\nsupplier: M", "key 'supplier' stands twice; keep one"),
        ("name: lumiere", "name: [", "lumiere.yaml: not readable YAML"),
    ],
)
def test_each_fault_names_the_file_the_key_and_the_remedy(
    tmp_path: Path, change: str, to: str, fault: str
) -> None:
    assert change in GOOD
    assert any(fault in said for said in load(tmp_path, GOOD.replace(change, to, 1)))


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "soleil.yaml").write_text("name: soleil\nsupplier: 3\n")
    faults = load(tmp_path, GOOD.replace("cadence_days: 1", "cadence: 1"))
    assert [fault.split(":")[0] for fault in faults].count("lumiere.yaml") == 2
    assert [fault.split(":")[0] for fault in faults].count("soleil.yaml") >= 4


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="put one file per source there"):
        load_sources(tmp_path)


def test_every_shipped_source_is_valid_and_offers_are_spelt_as_in_the_catalogue() -> None:
    sources = load_sources()
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(sources)
    known = {(offer.supplier, offer.offer) for offer in shipped_offers()}
    named = {(s.supplier, offer.name) for s in sources.values() for offer in s.offers}
    # What only a secondary source has read has no document yet, and so no description of one.
    unread = {(line.tariff.supplier, line.tariff.offer) for line in shipped_tariffs() if line.sheet_url}
    unread |= {(offer.supplier, offer.offer) for offer in shipped_offers() if offer.no_price}
    assert len(named) >= 20
    assert named <= known
    assert known - named <= unread


def test_a_document_of_nobody_is_not_recognised() -> None:
    assert recognise("facture de gaz de la ville", load_sources().values()) is None


@needs_shared_data
def test_every_address_of_a_known_grid_is_a_source() -> None:
    ours = {source.address for source in load_sources().values()}
    addresses = {}
    for month in ("05", "09"):
        with (SHARED / "offers" / f"market_offers_2026-{month}.csv").open(newline="") as lines:
            addresses[month] = {row["price_url"] for row in csv.DictReader(lines) if row["price_url"]}
    assert min(map(len, addresses.values())) > 20
    # The annex of May is one of those that the page of September links to.
    replaced = {"https://www.faq.enercoop.fr/hc/fr/article_attachments/34072541524114"}
    assert (addresses["05"] | addresses["09"]) - ours == replaced
