"""The Parquet form of results: one row group a part, amounts as decimals."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openwatt.portfolio.billing.rows import CodedColumn, ExactColumn, HomeRows, ResultColumn

_EUR = pa.decimal128(14, 2)
_KINDS: dict[str, pa.DataType] = {
    "home": pa.string(),
    "supplier": pa.string(),
    "offer": pa.string(),
    "option": pa.string(),
    "power_kva": pa.int32(),
    "start": pa.date32(),
    "end": pa.date32(),
    "kwh": pa.decimal128(15, 3),
    "total_ttc_eur": _EUR,
    "total_ht_eur": _EUR,
    "total_ttc_eur_per_year": _EUR,
    "saving_against_regulated_eur": _EUR,
    "saving_against_regulated_eur_per_year": _EUR,
    "saving_against_baseline_eur": _EUR,
    "saving_against_baseline_eur_per_year": _EUR,
    "closed_to_new_customers": pa.bool_(),
    "whole": pa.bool_(),
    "expected_half_hours": pa.int64(),
    "present_half_hours": pa.int64(),
    "reason": pa.string(),
    "unseen_registers": pa.string(),
    "outdated": pa.bool_(),
    "last_seen_on": pa.date32(),
    "overtaken_on": pa.date32(),
    "source_kind": pa.string(),
}


class ParquetResults:
    """Parquet with one row group a part."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.schema = pa.schema([(name, _KINDS[name]) for name in columns])

    def part(self, rows: HomeRows) -> bytes:
        """A Parquet file of its own."""
        stream = io.BytesIO()
        pq.write_table(self.table(rows), stream)
        return stream.getvalue()

    def table(self, rows: HomeRows) -> pa.Table:
        """Some rows as Arrow holds them."""
        columns = [_array(rows.columns.get(name), len(rows), _KINDS[name]) for name in self.columns]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def join(self, parts: Iterable[BinaryIO], stream: BinaryIO, manifest: Mapping[str, Any]) -> None:
        """Every part as a row group; the manifest is the file's metadata `openwatt`."""
        with pq.ParquetWriter(stream, self.schema) as writer:
            for part in parts:
                # Arrow's threads would go on holding what they read, and abort a process that ends just then.
                whole = pq.ParquetFile(pa.BufferReader(part.read()), pre_buffer=False)
                writer.write_table(whole.read(use_threads=False).cast(self.schema))
            writer.add_key_value_metadata({"openwatt": json.dumps(manifest)})


def _array(column: ResultColumn | None, rows: int, kind: pa.DataType) -> Any:
    """A column of some rows as Arrow holds it."""
    if column is None:
        return pa.array([None] * rows, kind)
    if isinstance(column, CodedColumn):
        return pa.array(column.values, kind).take(column.codes)
    if column.units.dtype != np.int64:
        return pa.array(column.cells(), kind)
    return _decimals(column, kind)


def _decimals(column: ExactColumn, kind: pa.DataType) -> Any:
    """Decimals of 128 bits, the lower 64 first: the upper ones repeat the sign."""
    halves = np.stack([column.units, column.units >> 63], axis=1)
    known = pa.py_buffer(np.packbits(column.known, bitorder="little").tobytes())
    return pa.Array.from_buffers(kind, len(column.units), [known, pa.py_buffer(halves.tobytes())])
