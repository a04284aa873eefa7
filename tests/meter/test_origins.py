"""What a file is recognised as: its format, and whose export it is."""

import pytest

from openwatt.domain.load_curve import FileOrigin
from openwatt.meter.contents import pack
from openwatt.meter.options import FileOptions
from openwatt.meter.read import read_load_curve
from openwatt.meter.sandbox import sandbox
from tests.conftest import NOW
from tests.shared_data import SHARED, needs_shared_data

EXPORTS = {
    "01-enedis-account.xlsx": FileOrigin("xlsx", "enedis_account"),
    "03-enedis-r63.csv": FileOrigin("csv", "enedis_r63"),
    "04-table-semicolon.csv": FileOrigin("csv", "table"),
    "06-sheet-saved-as-csv.csv": FileOrigin("csv", "enedis_account"),
    "07-enedis-resaved-commas.csv": FileOrigin("csv", "enedis_curve"),
    "10-edf-account.zip": FileOrigin("csv", "edf_account"),
    "20c-conso-api-production.json": FileOrigin("json", "enedis_json"),
    "21-ha-energy.csv": FileOrigin("csv", "home_assistant"),
}


@needs_shared_data
@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_is_recognised_in_the_sandbox_too(name: str) -> None:
    data = (SHARED / "meter_files" / name).read_bytes()
    expected = (EXPORTS[name],)
    assert read_load_curve(data, NOW).origins == expected
    assert sandbox().read_load_curve(data, NOW).origins == expected


def test_two_files_of_one_kind_are_one_origin() -> None:
    rows = [f"debut;kW\n2025-11-{day} 00:00;0.4\n2025-11-{day} 00:30;0.4\n".encode() for day in (10, 11)]
    assert read_load_curve(pack(rows), NOW, FileOptions(unit="kW")).origins == (FileOrigin("csv", "table"),)
