"""The CSV form of lists: one row an item, one column a figure, the same columns for every request."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec

from openwatt.domain.tariff import REGISTERS


def csv_lines(items: Iterable[msgspec.Struct], item_type: type[msgspec.Struct]) -> Iterator[str]:
    """CSV by RFC 4180, line by line, its header first; an unknown value is an empty cell.

    A nested object becomes columns `outer_inner`, prices by register one column for
    each register that exists, so that pages can be joined and compared.
    """
    columns = list(_columns(msgspec.inspect.type_info(item_type)))
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in chain(
        [["_".join(path) for path in columns]],
        ([_cell(item, path) for path in columns] for item in items),
    ):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def to_csv(items: Iterable[msgspec.Struct], item_type: type[msgspec.Struct]) -> bytes:
    """The same as bytes, in UTF-8."""
    return "".join(csv_lines(items, item_type)).encode()


def _columns(kind: msgspec.inspect.Type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every column below a type."""
    if isinstance(kind, msgspec.inspect.Metadata):
        yield from _columns(kind.type, path)
    elif isinstance(kind, msgspec.inspect.UnionType):
        # Every union here is "something or nothing".
        something = [member for member in kind.types if not isinstance(member, msgspec.inspect.NoneType)]
        yield from _columns(something[0], path)
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _columns(field.type, (*path, field.name))
    elif isinstance(kind, msgspec.inspect.DictType):
        for register in REGISTERS:
            yield from _columns(kind.value_type, (*path, register))
    else:
        yield path


def _cell(item: object, path: tuple[str, ...]) -> str:
    value: Any = item
    for name in path:
        if value is None:
            break
        value = value.get(name) if isinstance(value, dict) else getattr(value, name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        words = [str(one) for one in value]
        return ("; " if any(" " in word for word in words) else " ").join(words)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
