"""The Table Schema (Frictionless) of a list: its columns with their types, from the type of its items."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from openwatt.representations.csv_rows import Column, columns_of

#: Type of a figure → its type in a Table Schema.
TYPES: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.IntType: "integer",
    inspect.DecimalType: "number",
    inspect.BoolType: "boolean",
    inspect.DateType: "date",
    inspect.DateTimeType: "datetime",
}


def table_schema(item_type: type[msgspec.Struct], primary_key: Sequence[str]) -> dict[str, Any]:
    """The schema of the list of a type, whose items differ in the columns of `primary_key`."""
    return {
        "fields": [_field(column) for column in columns_of(item_type)],
        "primaryKey": list(primary_key),
        "missingValues": [""],
    }


def _field(column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": column.name, "type": TYPES[type(column.type)]}
    if column.description:
        field["description"] = column.description
    if constraints := _constraints(column):
        field["constraints"] = constraints
    return field


def _constraints(column: Column) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if not column.optional:
        constraints["required"] = True
    if isinstance(column.type, inspect.LiteralType):
        constraints["enum"] = list(column.type.values)
    elif isinstance(column.type, inspect.StrType) and column.type.pattern:
        constraints["pattern"] = column.type.pattern
    elif isinstance(column.type, inspect.DecimalType):
        constraints["minimum"] = 0
    return constraints
