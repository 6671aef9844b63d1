"""Files and frames as tables of the engine, whatever their format."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pluseval.data.cells import as_text, is_empty
from pluseval.data.csv_files import CsvOptions, read_csv
from pluseval.data.engine import Raw, fresh, quoted_path
from pluseval.data.excel_files import read_excel
from pluseval.data.statistical_files import read_statistical
from pluseval.errors import NotFoundError, UnreadableError


def read_file(
    engine: Backend, path: Path, *, options: CsvOptions | None = None, sheet: str | None = None
) -> Raw:
    """One file as a table of the engine.

    Parameters
    ----------
    engine : Backend
        The engine that will hold it.
    path : Path
        A ``.parquet`` file (or folder of such files), ``.csv``, ``.sav``, ``.dta`` or ``.xlsx``.
    options : CsvOptions, optional
        How a CSV file is written.
    sheet : str, optional
        Sheet of an Excel file; the first by default.

    Raises
    ------
    NotFoundError
        If there is no such file.
    UnreadableError
        If the file is empty, truncated, or not what its name says. The message holds no value of the file.
    """
    if not path.exists():
        raise NotFoundError(f"{path.name}: there is no such file")
    if path.is_file() and path.stat().st_size == 0:
        raise UnreadableError(f"{path.name}: the file is empty (0 bytes); export it again")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(engine, path)
    if suffix == ".csv":
        return read_csv(engine, path, options or CsvOptions())
    if suffix in (".sav", ".dta"):
        return read_statistical(engine, path, suffix)
    if suffix == ".xlsx":
        return read_excel(engine, path, sheet)
    raise UnreadableError(f"{path.name}: files are read as .parquet, .csv, .sav, .dta or .xlsx")


def from_pandas(frame: pd.DataFrame) -> tuple[pa.Table, frozenset[str]]:
    """A caller's frame as Arrow, with the columns whose mixed values had to become text.

    The caller's frame is not changed.
    """
    arrays: dict[str, pa.Array] = {}
    mixed = set()
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        try:
            array = pa.array(values, from_pandas=True)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            array = pa.array([None if is_empty(v) else as_text(v) for v in values], pa.string())
            mixed.add(str(name))
        if pa.types.is_null(array.type):
            array = array.cast(pa.string())
            mixed.add(str(name))
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        arrays[str(name)] = array
    return pa.table(arrays), frozenset(mixed)


def _read_parquet(engine: Backend, path: Path) -> Raw:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    listed = ", ".join(quoted_path(f) for f in files)
    name = fresh("parquet")
    try:
        engine.con.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}], union_by_name=true)"
        )
    except duckdb.Error:
        raise UnreadableError(
            f"{path.name}: not a whole Parquet file (truncated while copying, or no Parquet); copy it again"
        ) from None
    return Raw(engine.table(name))
