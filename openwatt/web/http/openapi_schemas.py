"""The schemas of the contract: decimals as numbers, and every set of words once, under its name."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, get_args

from openwatt.domain.advice import PowerVerdict
from openwatt.domain.calendar import WEEKDAYS
from openwatt.domain.contract import PriceBasis
from openwatt.domain.freshness import DataStatus, DataStatusReason, SourceStatus
from openwatt.domain.guards import GuardVerdict
from openwatt.domain.offer_terms import Condition, Pricing
from openwatt.domain.part_of_year import Season
from openwatt.domain.profiles import PROFILES
from openwatt.domain.tariff import OPTIONS, REGISTERS, Colour, Confidence, NoPrice, SourceKind
from openwatt.meter.options import DIRECTIONS, STAMPS, UNITS
from openwatt.prices.intervals import REASON_CODES
from openwatt.prices.question import SLICES_MINUTES
from openwatt.sentences.catalogue import CODES
from openwatt.store.runs import Origin, Outcome, Verdict

#: Every set of words (or numbers) that a parameter or an answer may have one of, by its name in the contract.
NAMED_VALUES = MappingProxyType(
    {
        "Option": tuple(OPTIONS),
        "Register": tuple(REGISTERS),
        "Colour": get_args(Colour),
        "ColourOfDay": (*get_args(Colour), "unknown"),
        "DataStatus": get_args(DataStatus),
        "DataStatusReason": get_args(DataStatusReason),
        "SourceStatus": get_args(SourceStatus),
        "SourceKind": get_args(SourceKind),
        "Confidence": get_args(Confidence),
        "NoPrice": get_args(NoPrice),
        "Pricing": get_args(Pricing),
        "OfferCondition": get_args(Condition),
        "GuardVerdict": get_args(GuardVerdict),
        "PowerVerdict": get_args(PowerVerdict),
        "Season": get_args(Season),
        "PriceBasis": get_args(PriceBasis),
        "PriceReason": tuple(REASON_CODES),
        "SliceMinutes": SLICES_MINUTES,
        "Profile": tuple(PROFILES),
        "Weekday": tuple(WEEKDAYS),
        "Stamps": tuple(STAMPS),
        "MeterUnit": tuple(UNITS),
        "Direction": tuple(DIRECTIONS),
        "ListFormat": ("json", "csv"),
        "PriceFormat": ("json", "csv", "evcc"),
        "Language": CODES,
        "RunOutcome": get_args(Outcome),
        "RunOrigin": get_args(Origin),
        "DecisionVerdict": get_args(Verdict),
        "DecisionAction": ("approve", "reject"),
        "OverrideAction": ("approve", "reject", "address"),
        "InspectionOutcome": ("published", "refused", "unreadable"),
    }
)
_NAMES = MappingProxyType({frozenset(values): name for name, values in NAMED_VALUES.items()})


def named_schemas() -> dict[str, Any]:
    """The schemas of the sets of words, each by its name."""
    return {
        name: {"type": "integer" if isinstance(values[0], int) else "string", "enum": list(values)}
        for name, values in NAMED_VALUES.items()
    }


def finished(schema: Any) -> Any:
    """The same schemas with references in the place of sets of words, and decimals as numbers.

    msgspec describes decimals as strings, its default; `decimal_format="number"` is a property of the
    encoder that the schema generator does not see.
    """
    if isinstance(schema, list):
        return [finished(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        schema = {**schema, "type": "number"}
    schema = _joined(schema)
    values = schema.get("enum")
    if isinstance(values, list) and (name := _NAMES.get(frozenset(values))):
        schema = {key: value for key, value in schema.items() if key not in {"enum", "type"}}
        schema["$ref"] = f"#/components/schemas/{name}"
    return {key: finished(value) for key, value in schema.items()}


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """A union of nothing but sets of words as one set; msgspec gives one for each part of it."""
    union = schema.get("anyOf")
    if isinstance(union, list) and all(isinstance(one, dict) and "enum" in one for one in union):
        others = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**others, "enum": _values(union)}
    return schema


def _values(union: Iterable[dict[str, Any]]) -> list[Any]:
    return [value for one in union for value in one["enum"]]
