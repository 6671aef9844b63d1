"""Parquet files of a synthetic study: fixed options, so that one seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_STREAM_SPLIT = ("cost_msz_eur", "cost_total_eur")
_DELTA = ("person_id", "referral_date", "list_size")
ROWS_PER_GROUP = 400_000


class TableFile:
    """A table written block by block; rows are gathered into groups of one size order.

    Parameters
    ----------
    folder : Path
    name : str
        Name of the table.
    schema : pyarrow.Schema
    note : str
        Warning that the file carries in its metadata.
    """

    def __init__(self, folder: Path, name: str, schema: pa.Schema, *, note: str) -> None:
        self._schema = schema
        encodings = {c: "BYTE_STREAM_SPLIT" for c in _STREAM_SPLIT if c in schema.names}
        encodings |= {c: "DELTA_BINARY_PACKED" for c in _DELTA if c in schema.names}
        self._writer = pq.ParquetWriter(
            folder / f"{name}.parquet",
            self._schema,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=[c for c in schema.names if c not in encodings],
            column_encoding=encodings,
            write_statistics=True,
            store_schema=False,
        )
        self._writer.add_key_value_metadata({"pluseval": note})
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, columns: Mapping[str, np.ndarray | pa.Array | list]) -> None:
        """Append rows, given as one array per column of the schema."""
        arrays = [_array(columns[field.name], field.type) for field in self._schema]
        self._waiting.append(pa.record_batch(arrays, schema=self._schema))
        self._rows += len(arrays[0])
        if self._rows >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).unify_dictionaries()
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._waiting, self._rows = [], 0

    def __enter__(self) -> TableFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def _array(values: np.ndarray | pa.Array | list, type_: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values if values.type == type_ else values.cast(type_)
    if isinstance(values, np.ndarray):
        return pa.array(values).cast(type_)
    return pa.array(values, type=type_)


def repeated(codes: np.ndarray, names: list[str] | tuple[str, ...]) -> pa.Array:
    """Text given by codes into a short list of names."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(names)))
