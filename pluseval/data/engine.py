"""The engine that holds the tables: DuckDB in this process, with nothing downloaded while it runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

DEFAULT_MEMORY_LIMIT = "1GiB"


@dataclass(frozen=True)
class CodeFlag:
    """A boolean column that marks the cells of ``column`` emptied for ``reason``."""

    name: str
    column: str
    reason: str


@dataclass(frozen=True)
class Raw:
    """A table as it came, before the contract looks at it.

    Parameters
    ----------
    table : ibis.Table
        Its rows in the engine.
    untyped : frozenset of str
        Text columns whose text may stand for numbers, because the format or the caller cannot say otherwise.
    decimal : str
        The decimal mark of that text.
    stored : bool
        Whether reading it again is cheap (Parquet, the engine's own tables, a database).
    codes : tuple
        ``(column, reason, count)`` of user-missing codes that the file itself declares and that were emptied.
    code_flags : tuple of CodeFlag
        Boolean columns of ``table`` that mark the cells emptied because the mapping calls them missing.
    absent : mapping of str to str
        Columns that the mapping takes from a source column that is not there, and what to say about it.
    safe_casts : bool
        Whether the engine can try a cast without raising.
    """

    table: ir.Table
    untyped: frozenset[str] = frozenset()
    decimal: str = "."
    stored: bool = True
    codes: tuple[tuple[str, str, int], ...] = ()
    code_flags: tuple[CodeFlag, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    safe_casts: bool = True


def open_engine(*, memory_limit: str | None = None, threads: int | None = None) -> Backend:
    """A new, empty engine.

    Parameters
    ----------
    memory_limit : str, optional
        What the engine may hold in memory ("2GiB"); beyond it, it writes to a private temporary folder that
        is removed at the end. The environment's ``PLUSEVAL_MEMORY_LIMIT`` or 1 GiB by default.
    threads : int, optional
        Threads; the environment's ``PLUSEVAL_THREADS`` or all cores by default. No result depends on it.

    Returns
    -------
    ibis.backends.duckdb.Backend
    """
    spill = Path(tempfile.gettempdir()) / f"pluseval-{uuid.uuid4().hex}"
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit or os.environ.get("PLUSEVAL_MEMORY_LIMIT", DEFAULT_MEMORY_LIMIT),
        "temp_directory": str(spill),
        # Research environments have no internet, and an evaluation must not depend on a download.
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # Row order carries no meaning in a study; keeping it costs memory.
        "preserve_insertion_order": "false",
    }
    wanted = threads or os.environ.get("PLUSEVAL_THREADS")
    if wanted:
        config["threads"] = int(wanted)
    backend: Backend = ibis.duckdb.from_connection(duckdb.connect(config=config))
    # The engine's own bar would be printed into the caller's output. A notebook without ipywidgets has no
    # bar, and refuses to be told so.
    with contextlib.suppress(duckdb.InvalidInputException):
        backend.con.execute("SET enable_progress_bar = false")
    weakref.finalize(backend, shutil.rmtree, spill, ignore_errors=True)
    return backend


def store(engine: Backend, chunks: Iterable[pa.Table], schema: pa.Schema) -> ir.Table:
    """Chunks as one table of the engine."""
    name = fresh("rows")
    engine.con.register("chunk", schema.empty_table())
    engine.con.execute(f"CREATE TABLE {name} AS SELECT * FROM chunk")
    for chunk in chunks:
        engine.con.register("chunk", chunk)
        engine.con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM chunk")
    engine.con.unregister("chunk")
    return engine.table(name)


def fresh(prefix: str) -> str:
    """A name that no table has yet."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted_path(path: Path) -> str:
    """A path as an SQL literal that names this file only, whatever characters it holds."""
    return quoted("".join(f"[{c}]" if c in "[*?" else c for c in str(path)))
