"""Perceived health per municipality (RIVM, GGD'en, CBS: "Gezondheid per wijk en buurt", adults 18+)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

from pluseval.data.geography import canonical
from pluseval.data.source import Source
from pluseval.errors import ContractError, NotFoundError, UnreadableError

SOURCE_LINE = "bron: RIVM, GGD'en en CBS, Gezondheid per wijk en buurt"
_HEALTH = "ErvarenGezondheidGoedZeerGoed"
_NEEDED = ("WijkenEnBuurten", "Perioden", "Gemeentenaam")
_ADULTS, _POINT = "20300", "MW00000"  # StatLine's codes of "18 years and older" and "value" (no margin)
_DEPTH = ("*", "*/*")


@dataclass(frozen=True)
class RivmPanel:
    """Percentage of adults who call their health good or very good.

    The figures are model-smoothed small-area estimates without standard errors, on the borders of 2020.

    Attributes
    ----------
    table : DataFrame
        ``year municipality healthy_pct``, sorted; municipalities by their Vektis names.
    national : Series
        The published national percentage by year; only where a file holds the national row (the spreadsheets
        do).
    content_hash : str
        SHA-256 of table and national figures, free of row order and file format.
    """

    table: pd.DataFrame
    national: pd.Series
    content_hash: str

    def __post_init__(self) -> None:
        if not self.table["healthy_pct"].between(0, 100).all():
            raise ContractError("RivmPanel: percentages lie between 0 and 100")

    @property
    def years(self) -> tuple[int, ...]:
        """The years present, ascending."""
        return tuple(int(y) for y in np.sort(self.table["year"].unique()))

    @property
    def source(self) -> Source:
        """The source line of everything made from these data."""
        return Source(name=SOURCE_LINE, kind="public", content_hash=self.content_hash)


def is_rivm(path: str | Path) -> bool:
    """Whether a folder (or one below it) holds files of this table."""
    return any(True for _ in _files(Path(path)))


def load_rivm(folder: str | Path) -> RivmPanel:
    """The files of a folder: CSV extracts or StatLine downloads, and the published spreadsheets.

    Where a year is there as CSV and as spreadsheet, the municipalities come from the CSV and the spreadsheet
    gives the national row only (reading a whole one takes seconds).

    Raises
    ------
    NotFoundError
        No such folder, or no file of this table in it.
    UnreadableError
        A file that is cut off or not what its name says.
    ContractError
        A file without the needed columns, or two files that disagree about a year.

    Examples
    --------
    >>> is_rivm("pluseval")
    False
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotFoundError(f"there is no folder {root.name!r}")
    paths = sorted(_files(root), key=lambda p: (p.suffix.lower() != ".csv", str(p)))
    if not paths:
        raise NotFoundError(
            f"no RIVM file in {root.name!r}: a .csv or .xlsx with the column {_HEALTH}. Take table 50120NED "
            "from StatLine"
        )
    parts: list[pd.DataFrame] = []
    for path in paths:
        years = {int(y) for part in parts for y in part.loc[part["kind"] == "GM", "year"].unique()}
        rows = _read_csv(path) if path.suffix.lower() == ".csv" else _read_xlsx(path, municipal_years=years)
        parts.append(_tidy(path.name, rows))
    both = pd.concat(parts).drop_duplicates().sort_values(["year", "municipality"], kind="stable")
    places = both[both["kind"] == "GM"]
    twice = int(places.duplicated(["year", "municipality"]).sum())
    if twice:
        raise ContractError(f"RIVM files: {twice} municipalities have two different figures for one year")
    table = places[["year", "municipality", "healthy_pct"]].reset_index(drop=True)
    national = both[both["kind"] == "NL"].drop_duplicates("year").set_index("year")["healthy_pct"]
    return RivmPanel(table=table, national=national, content_hash=_content_hash(table, national))


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for pattern in _DEPTH:
        for path in sorted(root.glob(pattern)):
            suffix = path.suffix.lower()
            if suffix == ".csv" and path.is_file():
                with path.open("rb") as handle:
                    if _HEALTH.encode() in handle.readline(65_536):
                        yield path
            elif suffix == ".xlsx" and path.is_file() and "gezondheid" in path.name.lower():
                yield path


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as handle:
        header = handle.readline(65_536)
    separator = ";" if header.count(b";") > header.count(b",") else ","
    try:
        return pd.read_csv(path, sep=separator, dtype=str, encoding="utf-8-sig")
    except (pd.errors.ParserError, UnicodeDecodeError, pd.errors.EmptyDataError):
        raise UnreadableError(f"{path.name} cannot be read as UTF-8 CSV; is it cut off?") from None


def _read_xlsx(path: Path, *, municipal_years: set[int]) -> pd.DataFrame:
    """The national row (it stands first) and, for a year not yet seen, the municipalities."""
    try:
        book = openpyxl.load_workbook(path, read_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True, max_col=12)
        header = [str(name) for name in next(rows)]
        kept = []
        region, period = header.index("WijkenEnBuurten"), header.index("Perioden")
        for row in rows:
            kind = str(row[region])[:2]
            if kind == "GM" and int(str(row[period])[:4]) in municipal_years:
                break
            if kind in ("NL", "GM"):
                kept.append(row)
        book.close()
    except ValueError:
        raise ContractError(
            f"{path.name} has no column WijkenEnBuurten or Perioden; take the untyped table"
        ) from None
    except Exception as error:  # openpyxl raises many kinds for a broken zip
        raise UnreadableError(
            f"{path.name} cannot be read as a spreadsheet ({type(error).__name__})"
        ) from None
    return pd.DataFrame(kept, columns=header, dtype=object)


def _tidy(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    found = {}
    for wanted in (*_NEEDED, _HEALTH):
        columns = [c for c in rows.columns if c.split("_")[0] == wanted]
        if not columns:
            raise ContractError(f"{name} has no column {wanted}; take all columns of the table")
        found[wanted] = columns[0]
    keep = pd.Series(True, index=rows.index)
    for column, code in (("Leeftijd", _ADULTS), ("Marges", _POINT)):
        if column in rows.columns:
            keep &= rows[column].astype(str).str.strip() == code
    kind = rows[found["WijkenEnBuurten"]].astype(str).str[:2]
    rows = rows[keep & kind.isin(("NL", "GM"))]
    values = pd.to_numeric(
        rows[found[_HEALTH]].astype(str).str.strip().str.replace(",", "."), errors="coerce"
    )
    tidy = pd.DataFrame(
        {
            "kind": kind[rows.index],
            "year": rows[found["Perioden"]].astype(str).str[:4].astype(int),
            "municipality": rows[found["Gemeentenaam"]].astype(str).map(canonical),
            "healthy_pct": values,
        }
    )
    return tidy.dropna(subset=["healthy_pct"])


def _content_hash(table: pd.DataFrame, national: pd.Series) -> str:
    lines = [f"{r.year};{r.municipality};{r.healthy_pct:.4f}" for r in table.itertuples()]
    lines += [f"{year};NL;{value:.4f}" for year, value in national.sort_index().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
