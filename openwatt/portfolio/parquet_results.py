"""The Parquet form of results: one row group a part, amounts as decimals."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from openwatt.portfolio.kernel import HomeRow

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
    "closed_to_new_customers": pa.bool_(),
    "whole": pa.bool_(),
    "expected_half_hours": pa.int64(),
    "present_half_hours": pa.int64(),
    "reason": pa.string(),
    "unseen_registers": pa.string(),
    "outdated": pa.bool_(),
    "last_seen_on": pa.date32(),
    "overtaken_on": pa.date32(),
}


class ParquetResults:
    """Parquet with one row group a part."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.schema = pa.schema([(name, _KINDS[name]) for name in columns])

    def part(self, rows: Sequence[HomeRow]) -> bytes:
        """A Parquet file of its own."""
        columns = [pa.array([getattr(row, name) for row in rows], _KINDS[name]) for name in self.columns]
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=self.schema), stream)
        return stream.getvalue()

    def join(self, parts: Iterable[BinaryIO], stream: BinaryIO, manifest: Mapping[str, Any]) -> None:
        """Every part as a row group; the manifest is the file's metadata `openwatt`."""
        with pq.ParquetWriter(stream, self.schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, schema=self.schema))
            writer.add_key_value_metadata({"openwatt": json.dumps(manifest)})
