"""The CSV form of lists: one row an item, one column a figure, the same columns for every request."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from openwatt.domain.tariff import REGISTERS


class Column(NamedTuple):
    """A column of a list: where its figure stands in an item, and of what type it is."""

    path: tuple[str, ...]
    type: msgspec.inspect.Type
    optional: bool
    """Whether a cell may be empty."""
    description: str | None = None

    @property
    def name(self) -> str:
        """Its heading: `outer_inner` where the figure is in a nested object."""
        return "_".join(self.path)

    def value_of(self, item: object) -> Any:
        """The figure of an item; None where it is not known."""
        value: Any = item
        for name in self.path:
            if value is None:
                break
            if isinstance(value, list):
                value = [getattr(one, name) for one in value]
            else:
                value = value.get(name) if isinstance(value, dict) else getattr(value, name)
        return value


def columns_of(item_type: type[msgspec.Struct]) -> list[Column]:
    """The columns of the lists of a type, the same for every list."""
    return list(_columns(Column((), msgspec.inspect.type_info(item_type), optional=False)))


def csv_lines(
    items: Iterable[msgspec.Struct], item_type: type[msgspec.Struct], *, header: bool = True
) -> Iterator[str]:
    """CSV by RFC 4180, line by line, its header first; an unknown value is an empty cell.

    A nested object becomes columns `outer_inner`, a list of objects the same with what each of
    them says, prices by register one column for each register that exists, so that pages can be
    joined and compared.
    """
    columns = columns_of(item_type)
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in chain(
        [[column.name for column in columns]] if header else [],
        ([_cell(column.value_of(item)) for column in columns] for item in items),
    ):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def to_csv(items: Iterable[msgspec.Struct], item_type: type[msgspec.Struct]) -> bytes:
    """The same as bytes, in UTF-8."""
    return "".join(csv_lines(items, item_type)).encode()


def _columns(column: Column) -> Iterator[Column]:
    """Every column below one."""
    kind = column.type
    if isinstance(kind, msgspec.inspect.Metadata):
        description = (kind.extra_json_schema or {}).get("description", column.description)
        yield from _columns(column._replace(type=kind.type, description=description))
    elif isinstance(kind, msgspec.inspect.UnionType):
        # Every union here is "something or nothing".
        something = [member for member in kind.types if not isinstance(member, msgspec.inspect.NoneType)]
        optional = column.optional or len(something) < len(kind.types)
        yield from _columns(column._replace(type=something[0], optional=optional))
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _columns(Column((*column.path, field.name), field.type, column.optional))
    elif isinstance(kind, msgspec.inspect.DictType):
        for register in REGISTERS:
            path = (*column.path, register)
            yield from _columns(Column(path, kind.value_type, optional=True, description=column.description))
    elif isinstance(kind, msgspec.inspect.ListType) and isinstance(
        kind.item_type, msgspec.inspect.StructType
    ):
        yield from _columns(column._replace(type=kind.item_type))
    else:
        yield column


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        words = ["" if one is None else str(one) for one in value]
        return ("; " if any(" " in word for word in words) else " ").join(words)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
