"""The Parquet form of a list, written in groups of rows; it needs the optional pyarrow."""

from collections.abc import Mapping, Sequence
from io import BufferedRandom

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from openwatt.open_data.table_schema import TYPES
from openwatt.representations.csv_rows import columns_of

#: Type in a Table Schema → type of a column. Decimals keep every digit; none here has ten after the point.
_KINDS: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int32(),
    "number": pa.decimal128(20, 10),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}


class ParquetTableWriter:
    """Writes the items of a list to a stream, a row group for each batch."""

    def __init__(self, stream: BufferedRandom, item_type: type[msgspec.Struct]) -> None:
        self._columns = columns_of(item_type)
        self._schema = pa.schema(
            [
                pa.field(column.name, _KINDS[TYPES[type(column.type)]], nullable=column.optional)
                for column in self._columns
            ]
        )
        self._writer = pq.ParquetWriter(stream, self._schema)

    def write(self, items: Sequence[msgspec.Struct]) -> None:
        """Adds a row group."""
        arrays = [
            pa.array([column.value_of(item) for item in items], kind.type)
            for column, kind in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Writes the end of the file; the stream stays open."""
        self._writer.close()
