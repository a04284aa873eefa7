"""kibana.ndjson as Kibana 9 imports it: form, references, fields and types; Kibana itself does not run."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from openwatt.telemetry.logs.fields import FIELDS
from tests.ops import kql

FILE = Path(__file__).resolve().parents[2] / "ops" / "elastic" / "kibana.ndjson"
VIEW: Final = "openwatt"
#: The newest versions that Kibana 9.0 knows: it brings older objects up to its own, and refuses newer ones.
NEWEST: Final = {"index-pattern": (8, 0, 0), "search": (10, 5, 0), "dashboard": (10, 2, 0)}
#: What Kibana's own schemas let an object of these versions have, and of which kind.
_TEXTS: Final = ("title", "description")
ATTRIBUTES: Final[dict[str, dict[str, type]]] = {
    "index-pattern": {
        **dict.fromkeys(("name", "timeFieldName", "fields", "fieldAttrs", "fieldFormatMap"), str),
        **dict.fromkeys(("title", "runtimeFieldMap", "sourceFilters", "typeMeta"), str),
        "allowHidden": bool,
    },
    "search": {
        **dict.fromkeys(_TEXTS, str),
        **dict.fromkeys(("hideChart", "isTextBasedQuery", "usesAdHocDataView", "timeRestore"), bool),
        **dict.fromkeys(("grid", "kibanaSavedObjectMeta", "refreshInterval", "timeRange"), dict),
        **dict.fromkeys(("columns", "sort"), list),
        "breakdownField": str,
    },
    "dashboard": {
        **dict.fromkeys((*_TEXTS, "timeFrom", "timeTo", "panelsJSON", "optionsJSON"), str),
        **dict.fromkeys(("kibanaSavedObjectMeta", "refreshInterval", "controlGroupInput"), dict),
        "timeRestore": bool,
        "version": int,
    },
}
#: What can be done with a field of each type in a table or chart; a text has no values to sort or count.
OPERATIONS: Final = {
    "terms": {"keyword", "ip", "integer", "long"},
    "date_histogram": {"date"},
    "percentile": {"integer", "long", "double"},
    "max": {"integer", "long", "double", "date"},
}
DATA_TYPES: Final = {
    "keyword": "string", "ip": "ip", "integer": "number", "long": "number", "double": "number",
    "date": "date",
}  # fmt: skip
#: Beside the fields of records: what the template and the dead letters add.
OTHERS: Final = {"event.keyword": "keyword", "tags": "keyword", "dead_letter.reason": "text"}
TYPES: Final = {**FIELDS, **OTHERS}


def objects() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in FILE.read_text().splitlines()]
    assert len(rows) == 7
    return rows


def the(kind: str) -> list[dict[str, Any]]:
    return [row for row in objects() if row["type"] == kind]


def source(row: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(row["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return meta


def panels() -> list[dict[str, Any]]:
    (board,) = the("dashboard")
    found: list[dict[str, Any]] = json.loads(board["attributes"]["panelsJSON"])
    assert len(found) == 8
    return found


def layers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Title, layer and the whole state of each chart."""
    for panel in panels():
        if panel["type"] == "lens":
            state = panel["embeddableConfig"]["attributes"]["state"]
            yield panel["title"], state["datasourceStates"]["formBased"]["layers"]["layer"], state


def queries() -> Iterator[tuple[str, str]]:
    for row in the("search"):
        yield row["id"], source(row)["query"]["query"]
    for title, layer, state in layers():
        yield title, state["query"]["query"]
        for column in layer["columns"].values():
            if "filter" in column:
                yield title, column["filter"]["query"]


def test_each_object_is_of_a_form_and_version_that_kibana_takes() -> None:
    for row in objects():
        assert row.keys() == {
            "attributes", "coreMigrationVersion", "id", "managed", "references", "type",
            "typeMigrationVersion",
        }  # fmt: skip
        version = tuple(int(part) for part in row["typeMigrationVersion"].split("."))
        assert version <= NEWEST[row["type"]]
        for name, value in row["attributes"].items():
            assert type(value) is ATTRIBUTES[row["type"]][name], (row["id"], name)
        assert row["coreMigrationVersion"] == "8.8.0"
    ids = [(row["type"], row["id"]) for row in objects()]
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_to_an_object_of_the_same_file() -> None:
    there = {(row["type"], row["id"]) for row in objects()}
    references = [(ref["type"], ref["id"]) for row in objects() for ref in row["references"]]
    assert len(references) == 13
    assert set(references) <= there
    for row in the("search"):
        assert [ref["name"] for ref in row["references"]] == [source(row)["indexRefName"]]


def test_the_data_view_covers_every_index_by_the_time_of_its_records() -> None:
    (view,) = the("index-pattern")
    assert (view["id"], view["attributes"]["title"]) == (VIEW, "openwatt-*")
    assert view["attributes"]["timeFieldName"] == "@timestamp"
    assert json.loads(view["attributes"]["fieldFormatMap"]).keys() <= FIELDS.keys()


def test_the_searches_that_operators_need_are_there() -> None:
    assert [row["attributes"]["title"] for row in the("search")] == [
        "OpenWatt: errors",
        "OpenWatt: one request",
        "OpenWatt: slow requests",
        "OpenWatt: ingestion",
        "OpenWatt: unreadable records",
    ]
    for row in the("search"):
        assert row["attributes"]["description"]
        assert set(row["attributes"]["columns"]) <= TYPES.keys()


RECORDS: Final[dict[str, dict[str, Any]]] = {
    "error": {"level": "error", "event": "request", "logger": "openwatt.access", "duration_ms": 3.1},
    "slow": {"level": "info", "event": "request", "logger": "openwatt.access", "duration_ms": 1000},
    "quick": {"level": "info", "event": "request", "logger": "openwatt.access", "duration_ms": 999.9},
    "asked": {"level": "info", "request_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "logger": "x"},
    "ingested": {"level": "info", "logger": "openwatt.ingest.pipeline", "outcome": "published"},
    "read": {"level": "warning", "logger": "other", "source": "edf-bleu"},
    "torn": {"level": "warning", "logger": "logstash", "tags": ["_jsonparsefailure"]},
    "refused": {"event": {}, "dead_letter": {"reason": "an object"}},
}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("openwatt-errors", {"error"}),
        ("openwatt-one-request", {"asked"}),
        ("openwatt-slow-requests", {"slow"}),
        ("openwatt-ingestion", {"ingested", "read"}),
        ("openwatt-unreadable", {"torn", "refused"}),
    ],
)
def test_a_saved_search_finds_what_its_name_says(search: str, found: set[str]) -> None:
    query = kql.parse(dict(queries())[search])
    assert {name for name, record in RECORDS.items() if query.matches(record)} == found


def test_every_query_can_be_read_and_asks_for_fields_that_exist() -> None:
    asked = list(queries())
    assert len(asked) == 13
    for _, text in asked:
        assert kql.parse(text).fields <= TYPES.keys()


@pytest.mark.parametrize(
    "broken",
    [
        "level:",
        "level error",
        'level: "error',
        "level: (error",
        "duration_ms >= slow",
        "and",
        "a: b c: d",
        "a = 1",
    ],
)
def test_a_query_that_kibana_would_not_take_is_refused(broken: str) -> None:
    with pytest.raises(kql.KqlError):
        kql.parse(broken)


def test_every_column_of_a_chart_can_be_computed_from_its_field() -> None:
    seen = 0
    for title, layer, state in layers():
        assert layer["columnOrder"] == list(layer["columns"]), title
        for name, column in layer["columns"].items():
            seen += 1
            field, operation = column["sourceField"], column["operationType"]
            if operation == "count":
                assert field == "___records___"
                assert column["dataType"] == "number"
                continue
            assert TYPES[field] in OPERATIONS[operation], (title, name)
            assert column["dataType"] == DATA_TYPES[TYPES[field]], (title, name)
            assert column["isBucketed"] is (operation in {"terms", "date_histogram"})
            if operation == "terms":
                assert column["params"]["orderBy"]["columnId"] in layer["columns"]
        used = json.dumps(state["visualization"])
        for name in layer["columns"]:
            assert f'"{name}"' in used, (title, name)  # no column is computed and not shown
    assert seen == 23


def test_a_chart_shows_only_columns_that_it_has() -> None:
    for title, layer, state in layers():
        shown = state["visualization"]
        assert shown.get("layerId", "layer") == "layer"
        named = {column["columnId"] for column in shown.get("columns", [])} | {
            name
            for part in [shown, *shown.get("layers", [])]
            for key in ("xAccessor", "splitAccessor", "metricAccessor")
            if (name := part.get(key))
        }
        named |= {name for part in shown.get("layers", []) for name in part["accessors"]}
        assert named == layer["columns"].keys(), title


def test_panels_fill_the_grid_without_lying_over_each_other() -> None:
    (board,) = the("dashboard")
    names = {ref["name"] for ref in board["references"]}
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        taken = set(
            itertools.product(
                range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])
            )
        )
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in taken) < 48
        cells |= taken
        if panel["type"] == "lens":
            inner = panel["embeddableConfig"]["attributes"]["references"]
            assert {f"{panel['panelIndex']}:{ref['name']}" for ref in inner} <= names
        else:
            assert f"{panel['panelIndex']}:{panel['panelRefName']}" in names
    assert len(cells) == 48 * (max(y for _, y in cells) + 1)
