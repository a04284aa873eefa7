import datetime as dt
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from openwatt.catalogue.facts import read_rates, read_sources, read_tempo_colours
from openwatt.catalogue.table import CatalogueError
from openwatt.catalogue.tariffs import COLUMNS, read_tariffs
from openwatt.domain.tariff import OPTIONS

HEADER = ",".join(COLUMNS)
GOOD = (
    "Ohm,Verte,HPHC,6,2025-08-01,2025-12-31,0,135.60,,HC=0.1063 HP=0.1434,,2025-08-02,a-sheet another,by hand"
)


def sheet(*lines: str) -> StringIO:
    return StringIO("\n".join((HEADER, *lines)) + "\n")


def faults_of(*lines: str) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as caught:
        read_tariffs(sheet(*lines))
    return caught.value.faults


def test_a_line_becomes_a_tariff_with_its_registers_in_the_options_order() -> None:
    (line,) = read_tariffs(sheet(GOOD))
    tariff = line.tariff
    assert (tariff.supplier, tariff.offer, tariff.option, tariff.power_kva) == ("Ohm", "Verte", "HPHC", 6)
    assert tariff.applies_to == dt.date(2025, 12, 31)
    assert tariff.subscription_eur_per_year_ht == Decimal("135.60")
    assert tariff.subscription_eur_per_year_ttc is None
    assert list(tariff.prices_eur_per_kwh_ht.items()) == [
        ("HP", Decimal("0.1434")),
        ("HC", Decimal("0.1063")),
    ]
    assert tariff.prices_eur_per_kwh_ttc == {}
    assert tariff.note == "by hand"
    assert line.observed_on == dt.date(2025, 8, 2)
    assert line.sources == ("a-sheet", "another")


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sheet.csv"
    file.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n,,,,,,,,,,,,,\r\n".encode())
    assert len(read_tariffs(file)) == 1


def test_every_fault_of_every_line_is_told_at_once() -> None:
    faults = faults_of(
        GOOD,
        ",Verte,HPCH,six,2025-02-30,01/08/2025,oui,-1,1 200,HP=0.14 HP=0.15,HC,,A Sheet,",
        GOOD.replace("HC=0.1063 ", "").replace("2025-12-31", "2024-12-31"),
        "Ohm,Verte,HPHC",
    )
    options = ", ".join(OPTIONS)
    assert faults == (
        "line 3: supplier is empty",
        f"line 3: option 'HPCH' is none of {options}",
        "line 3: power_kva 'six' is not a whole number",
        "line 3: applies_from 2025-02-30 is not in the calendar",
        "line 3: applies_to '01/08/2025' is not a date such as 2025-08-01",
        "line 3: closed_to_new_customers 'oui' is neither 0 nor 1",
        "line 3: subscription_eur_per_year_ht '-1' is not a number such as 0.1952",
        "line 3: subscription_eur_per_year_ttc '1 200' is not a number such as 0.1952",
        "line 3: prices_eur_per_kwh_ht gives HP twice",
        "line 3: prices_eur_per_kwh_ttc 'HC' is not a register and its price such as HP=0.1434",
        "line 3: observed_on '' is not a date such as 2025-08-01",
        "line 3: source 'A' is not a source's id such as edf-tarif-bleu-2025-08-01",
        "line 4: applies_to 2024-12-31 is before applies_from 2025-08-01",
        "line 4: HT prices are for HP, the option has HP, HC",
        "line 5: has 3 cells, the header has 14",
    )


def test_a_decimal_comma_is_refused_and_never_read_as_a_thousand() -> None:
    assert faults_of(GOOD.replace("135.60", '"135,60"')) == (
        "line 2: subscription_eur_per_year_ht '135,60' is not a number such as 0.1952",
    )


def test_two_prices_of_one_contract_on_one_day_are_refused_with_both_lines() -> None:
    later = GOOD.replace("2025-08-01,2025-12-31", "2025-12-31,")
    assert faults_of(later, GOOD) == ("lines 3 and 2: both say Ohm Verte HPHC 6 kVA on 2025-12-31",)
    after = GOOD.replace("2025-08-01,2025-12-31", "2026-01-01,")
    assert len(read_tariffs(sheet(GOOD, after))) == 2


def test_a_long_period_is_compared_with_all_that_it_covers() -> None:
    long = GOOD.replace("2025-12-31", "")
    september = GOOD.replace("2025-08-01,2025-12-31", "2025-09-01,2025-09-30")
    october = GOOD.replace("2025-08-01,2025-12-31", "2025-10-01,2025-10-31")
    assert faults_of(long, september, october) == (
        "lines 2 and 3: both say Ohm Verte HPHC 6 kVA on 2025-09-01",
        "lines 2 and 4: both say Ohm Verte HPHC 6 kVA on 2025-10-01",
    )


def test_a_wrong_header_is_told_by_the_column() -> None:
    with pytest.raises(CatalogueError) as caught:
        read_tariffs(StringIO(HEADER.replace("offer", "offre") + "\n" + GOOD))
    assert caught.value.faults == (
        "line 1: column offer is missing",
        "line 1: column 'offre' is not known",
    )
    with pytest.raises(CatalogueError, match="is empty"):
        read_tariffs(StringIO(""))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b'"open', "is not CSV"),
        (
            GOOD.replace("Verte", "Ve\0te").encode(),
            "offer 'Ve.x00te' holds a character that cannot be printed",
        ),
    ],
)
def test_bytes_that_are_no_table_are_refused_by_name(tmp_path: Path, content: bytes, fault: str) -> None:
    file = tmp_path / "sheet.csv"
    file.write_bytes(f"{HEADER}\n".encode() + content)
    with pytest.raises(CatalogueError, match=fault) as caught:
        read_tariffs(file)
    assert "sheet.csv" in str(caught.value)


def test_a_rate_without_an_end_must_say_open() -> None:
    header = "duty,unit,applies_from,applies_to,value,implied,source,note\n"
    (rate,) = read_rates(StringIO(header + "tva_kwh,%,2014-01-01,open,20,0,a-text,\n"))
    assert rate.applies_to is None
    with pytest.raises(CatalogueError, match="line 2: applies_to '' is not a date"):
        read_rates(StringIO(header + "tva_kwh,%,2014-01-01,,20,0,a-text,\n"))
    with pytest.raises(CatalogueError, match="unit of tva_kwh is %, not EUR/kWh"):
        read_rates(StringIO(header + "tva_kwh,EUR/kWh,2014-01-01,open,20,0,a-text,\n"))
    with pytest.raises(
        CatalogueError, match="line 2: applies_to of accise is open, its texts set it for one"
    ):
        read_rates(StringIO(header + "accise,EUR/kWh,2026-08-01,open,0.03062,0,a-text,\n"))
    with pytest.raises(CatalogueError, match="lines 2 and 3: both say tva_kwh on 2020-01-01"):
        read_rates(
            StringIO(header + "tva_kwh,%,open,open,20,0,a-text,\ntva_kwh,%,2020-01-01,open,21,0,a-text,\n")
        )


def test_a_day_has_one_colour_and_a_source_one_id() -> None:
    with pytest.raises(CatalogueError, match="lines 2, 3: 2025-01-01 stands 2 times"):
        read_tempo_colours(StringIO("date,colour,source,note\n" + "2025-01-01,BLEU,rte,\n" * 2))
    with pytest.raises(CatalogueError, match="line 2: colour 'BLUE' is none of BLEU, BLANC, ROUGE"):
        read_tempo_colours(StringIO("date,colour,source,note\n2025-01-01,BLUE,rte,\n"))
    with pytest.raises(CatalogueError, match="document_sha256 'abc' is not a SHA-256"):
        read_sources(
            StringIO("id,kind,title,url,document_sha256,seen_on,note\nrte,regulator,RTE,,abc,2025-01-01,\n")
        )
