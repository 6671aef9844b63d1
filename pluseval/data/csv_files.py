"""CSV files: Dutch or English marks, UTF-8 or latin-1, told to the engine and never guessed by it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
from ibis.backends.duckdb import Backend

from pluseval.data.engine import Raw, fresh, quoted, quoted_path
from pluseval.errors import DesignError, UnreadableError

CHUNK_BYTES = 1 << 20
# Enough of a file to see its delimiter and its decimal mark.
SAMPLE_BYTES = 1 << 19


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV file is written; what is None is seen from the file.

    Parameters
    ----------
    delimiter : str, optional
        ``;``, ``,``, tab or ``|``.
    decimal : str, optional
        ``,`` (``1.234,56``) or ``.`` (``1,234.56``).
    encoding : str, optional
        ``utf-8``, ``latin-1`` or ``cp1252``.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise DesignError("csv delimiter must be one character, as ';'")
        if self.decimal not in (None, ",", "."):
            raise DesignError("csv decimal must be ',' or '.'")
        if self.encoding not in (None, "utf-8", "latin-1", "cp1252"):
            raise DesignError("csv encoding must be 'utf-8', 'latin-1' or 'cp1252'")


def read_csv(engine: Backend, path: Path, options: CsvOptions) -> Raw:
    """A CSV file as text columns; the contract converts them, so that what does not convert is counted."""
    encoding = options.encoding or _encoding(path)
    source = path
    if encoding in ("cp1252", "utf-16"):
        source = _as_utf8(path, encoding)
        encoding = "utf-8"
    sample = _sample(source, encoding)
    delimiter = options.delimiter or _delimiter(sample)
    header = _header(sample, delimiter, path.name)
    decimal = options.decimal or _decimal(sample, delimiter)
    columns = ", ".join(f"{quoted(c)}: 'VARCHAR'" for c in header)
    name = fresh("csv")
    # Everything is told, nothing guessed: the engine's own detection fails on latin-1 with `1.234,56`.
    sql = (
        f"CREATE VIEW {name} AS SELECT * FROM read_csv({quoted_path(source)}, auto_detect=false, "
        f"header=true, delim={quoted(delimiter)}, quote='\"', escape='\"', encoding={quoted(encoding)}, "
        f"columns={{{columns}}})"
    )
    try:
        engine.con.execute(sql)
    except duckdb.Error:
        raise UnreadableError(f"{path.name}: cannot be read as CSV with delimiter {delimiter!r}") from None
    return Raw(engine.table(name), untyped=frozenset(header), decimal=decimal, stored=False)


def _encoding(path: Path) -> str:
    """UTF-8 where the whole file is; else latin-1, or cp1252 where it holds bytes that latin-1 lacks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, windows = True, False
    with path.open("rb") as file:
        first = True
        while chunk := file.read(CHUNK_BYTES):
            if first and chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            first = False
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
            windows = windows or re.search(rb"[\x80-\x9f]", chunk) is not None
    if utf8:
        try:
            decoder.decode(b"", final=True)
            return "utf-8"
        except UnicodeDecodeError:
            pass
    return "cp1252" if windows else "latin-1"


def _as_utf8(path: Path, encoding: str) -> Path:
    # The engine reads these only with an extension that it would download.
    folder = tempfile.TemporaryDirectory(prefix="pluseval-")
    _KEPT.append(folder)
    target = Path(folder.name) / path.name
    try:
        with (
            path.open("r", encoding=encoding, newline="") as old,
            target.open("w", encoding="utf-8", newline="") as new,
        ):
            while text := old.read(CHUNK_BYTES):
                new.write(text)
    except UnicodeError:
        raise UnreadableError(
            f"{path.name}: is neither UTF-8 nor latin-1 nor {encoding}; save it as UTF-8"
        ) from None
    return target


# Folders with transcoded copies live as long as the process: views read them again and again.
_KEPT: list[tempfile.TemporaryDirectory] = []


def _sample(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        text = file.read(SAMPLE_BYTES).decode(encoding, errors="ignore")
    return text.removeprefix("\ufeff")


def _delimiter(sample: str) -> str:
    first = re.sub(r'"[^"]*"', "", sample.split("\n", 1)[0])
    counts = {mark: first.count(mark) for mark in (";", "\t", "|", ",")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _header(sample: str, delimiter: str, name: str) -> list[str]:
    header = [c.strip() for c in next(csv.reader(io.StringIO(sample), delimiter=delimiter), [])]
    if not any(header):
        raise UnreadableError(f"{name}: the first line holds no column names")
    seen = {c.lower() for c in header}
    if len(seen) != len(header) or "" in seen:
        raise UnreadableError(f"{name}: the column names of the first line must be present and differ")
    return header


def _decimal(sample: str, delimiter: str) -> str:
    cells = {",": 0, ".": 0}
    for row in csv.reader(io.StringIO(sample.rsplit("\n", 1)[0]), delimiter=delimiter):
        for cell in row:
            # Three digits after a single mark may be thousands, so they decide nothing.
            found = re.fullmatch(r"\s*[+-]?[\d.,]*?([.,])(\d{1,2}|\d{4,})\s*", cell)
            if found:
                cells[found[1]] += 1
    if cells[","] != cells["."]:
        return "," if cells[","] > cells["."] else "."
    return "," if delimiter == ";" else "."
