"""Log fields: one list in the code, and every file of ops/ that names a field is held against it."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from openwatt.telemetry.logs.fields import EXTRA_FIELDS, FIELDS
from tests.ops import insights_query, kql, test_datadog, test_elastic_kibana

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "ops"
#: What Logstash adds to a record that it could not read; no line of ours has it.
LOGSTASHS_OWN: Final = {"tags": "keyword"}


def properties(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((OPS / "elastic" / name).read_text())["template"][
        "mappings"
    ]["properties"]
    return found


def test_the_index_template_has_every_field_with_its_type_and_none_more() -> None:
    types = {name: mapping["type"] for name, mapping in properties("index-template.json").items()}
    assert types == {**FIELDS, **LOGSTASHS_OWN}
    assert [*types] == [*FIELDS, *LOGSTASHS_OWN]  # in the order of a record


def test_what_can_be_too_long_for_the_index_has_a_limit() -> None:
    for name, mapping in properties("index-template.json").items():
        if mapping["type"] in {"keyword", "flattened"}:
            assert mapping["ignore_above"] * 4 < 32_766, name  # bytes of UTF-8 in one term of Lucene
        if mapping["type"] == "flattened":
            assert mapping["depth_limit"] > 20  # how deep a record's extras go


def test_dead_letters_are_searched_by_the_same_names_and_types() -> None:
    template = json.loads((OPS / "elastic" / "dead-letters-template.json").read_text())
    runtime = template["template"]["mappings"]["runtime"]
    assert {"request_id", "event_id"} <= runtime.keys()
    assert {name: mapping["type"] for name, mapping in runtime.items()} == {
        name: FIELDS[name] for name in runtime
    }


def _named() -> list[tuple[str, set[str]]]:
    """Where fields are named, and which."""
    found = [
        (f"Kibana: {row['id']}", {*row["attributes"]["columns"]})
        for row in test_elastic_kibana.objects()
        if row["type"] == "search"
    ]
    found += [
        (f"Kibana: {title}", set(kql.parse(text).fields)) for title, text in test_elastic_kibana.queries()
    ]
    found += [
        (
            f"Kibana: {title}",
            {column["sourceField"] for column in layer["columns"].values()} - {"___records___"},
        )
        for title, layer, _ in test_elastic_kibana.layers()
    ]
    found += [
        (f"Insights: {path.stem}", insights_query.parse(path.read_text()).fields)
        for path in sorted((OPS / "cloudwatch" / "queries").glob("*.cwli"))
    ]
    found += [(f"Datadog: {text}", set(re.findall(r"@(\w+):", text))) for text in test_datadog.searches()]
    pipeline = json.loads((OPS / "datadog" / "pipeline.json").read_text())
    found += [("Datadog: pipeline", {name for step in pipeline["processors"] for name in step["sources"]})]
    for page in ("docs/journaux.md", "docs/logs.md"):
        guide = (ROOT / page).read_text()
        (jq,) = re.findall(r"```jq\n(.*?)```", guide, re.DOTALL)
        found += [(f"{page}: jq", set(re.findall(r"[(\[ ]\.(\w+)", jq)))]
        found += [(f"{page}: Datadog", set(re.findall(r"[ `]@(\w+):", guide)))]
        found += [(f"{page}: Kibana", set(re.findall(r"`(\w+): \"", guide)))]
        assert all(fields for _, fields in found[-3:])
    return found


@pytest.mark.parametrize(
    ("place", "fields"), _named(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_field_that_is_named_anywhere_exists(place: str, fields: set[str]) -> None:
    beside = test_elastic_kibana.OTHERS if place.startswith("Kibana") else {}
    assert fields <= {*FIELDS, *beside}


def test_the_places_name_enough_fields_to_be_worth_holding() -> None:
    named = [fields for _, fields in _named()]
    assert len(named) > 30
    assert len({name for fields in named for name in fields}) > 20


def test_no_field_is_declared_twice() -> None:
    assert len(EXTRA_FIELDS) + 11 + 1 == len(FIELDS)
