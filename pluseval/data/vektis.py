"""Vektis open data (Zvw costs per municipality): the yearly files as downloaded, as one tidy panel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from pluseval.data.frame import Loss
from pluseval.data.geography import MERGERS, SPLIT, canonical, load_geography, load_mergers
from pluseval.data.source import Source
from pluseval.data.vektis_file import FileFailure, VektisFile, key_columns_present, read_vektis_file
from pluseval.errors import ContractError, NotFoundError

SOURCE_LINE = "bron: Vektis"
KEYS = ("municipality", "year", "sex", "age_from")
SUMS = ("persons", "insured_years", "cost_msz_eur", "cost_basket_eur", "cost_total_eur")
_DEPTH = ("*", "*/*", "*/*/*")  # the folder itself, vektis/ below it, an old layout below that


@dataclass(frozen=True)
class VektisPanel:
    """Costs of Dutch municipalities on one set of borders, by year, sex and age class.

    Attributes
    ----------
    table : DataFrame
        ``municipality year sex age_from persons insured_years cost_msz_eur cost_basket_eur cost_total_eur``,
        sorted by the first four. ``persons`` counts everyone ever insured in the year; the denominator is
        ``insured_years``. Euros are nominal. The basket leaves out the items that entered or left the Zvw in
        these years (:data:`pluseval.data.vektis_file.NOT_COMPARABLE`).
    rest : DataFrame
        The REST row of each year (unknown residence and suppressed cells): no place, but part of the nation.
    published : DataFrame
        ``year municipality insured_years`` on the borders of each file, to weigh figures on those borders.
    files : DataFrame
        Per year: file ``layout`` (columns), ``cells``, ``municipalities`` as published, ``negative_items``,
        ``rest_share`` (REST's part of the insured-years, NaN where the file has no REST row).
    content_hash : str
        SHA-256 of table and rest, free of row order and of the files' layout.
    losses : tuple of Loss
        What is not in the panel, by reason.
    """

    table: pd.DataFrame
    rest: pd.DataFrame
    published: pd.DataFrame
    files: pd.DataFrame
    content_hash: str
    losses: tuple[Loss, ...] = ()

    def __post_init__(self) -> None:
        missing = [c for c in (*KEYS, *SUMS) if c not in self.table.columns]
        if missing:
            raise ContractError(f"VektisPanel.table has no column {', '.join(missing)}")
        if self.table.duplicated(list(KEYS)).any():
            raise ContractError("VektisPanel.table has a municipality, year, sex and age class twice")

    @property
    def years(self) -> tuple[int, ...]:
        """The years present, ascending."""
        return tuple(int(y) for y in np.sort(self.table["year"].unique()))

    @property
    def source(self) -> Source:
        """The source line of everything made from these data."""
        return Source(name=SOURCE_LINE, kind="public", content_hash=self.content_hash)

    @property
    def municipal(self) -> pd.DataFrame:
        """Sums per municipality and year for the places that are one place in every year present."""
        sums = self.table.groupby(["municipality", "year"], sort=True)[list(SUMS)].sum().reset_index()
        years = sums.groupby("municipality")["year"].transform("size")
        keep = (years == len(self.years)) & ~sums["municipality"].isin(SPLIT)
        return sums[keep].reset_index(drop=True)

    @property
    def national(self) -> pd.DataFrame:
        """Sums per year over all municipalities and the REST row (index ``year``)."""
        both = pd.concat([self.table[["year", *SUMS]], self.rest[["year", *SUMS]]])
        return both.groupby("year", sort=True)[list(SUMS)].sum()


def is_vektis(path: str | Path) -> bool:
    """Whether a folder (or a folder one or two levels below it) holds Vektis open data per municipality."""
    return any(True for _ in _vektis_files(Path(path)))


def load_vektis(folder: str | Path, *, mergers: Mapping[str, str] | str | Path | None = None) -> VektisPanel:
    """The yearly Vektis files of a folder, exactly as downloaded, as one panel on the borders of 2023.

    Parameters
    ----------
    folder : path
        The folder of downloads, or a folder above it. Files of other kinds are left alone. The year is taken
        from the file's name. Where a year is there twice, the file on the most recent borders is used.
    mergers : mapping or path, optional
        Old municipality to new. By default a file ``municipal_mergers*.csv`` beside the data, or else the
        mergers of 2021-2023 that this project knows.

    Raises
    ------
    NotFoundError
        No such folder, or no Vektis file in it.
    UnreadableError
        A file that is empty, cut off or not text.
    ContractError
        Missing or unknown columns, text in number columns, duplicate keys, unknown age classes or
        municipalities, the same year twice: all failures of all files at once, as counts.

    Examples
    --------
    >>> is_vektis("pluseval")
    False
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotFoundError(
            f"there is no folder {root.name!r}; give the folder that holds the Vektis downloads"
        )
    paths = list(_vektis_files(root))
    if not paths:
        raise NotFoundError(
            f"no Vektis file in {root.name!r}: none of its .csv files has the columns gemeentenaam, "
            "geslacht, leeftijdsklasse and aantal_verzekerdejaren. Download the yearly files from the "
            "open-data page of vektis.nl"
        )
    merged = _mergers(paths, mergers)
    known = set(load_geography().municipalities)
    connection = duckdb.connect()
    try:
        files = _read_all(connection, paths)
        chosen, skipped = _one_per_year(files, merged, known)
        table, rest, published = _harmonise(connection, chosen, merged)
    finally:
        connection.close()
    losses = [
        Loss(f"cells of a second file of {year} on older borders", int(f.cells))
        for year, f in skipped.items()
    ]
    split = table["municipality"].isin(SPLIT)
    losses.append(Loss("cells of HAAREN and the four municipalities it was split over", int(split.sum())))
    return VektisPanel(
        table=table,
        rest=rest,
        published=published,
        files=_describe(chosen, table, rest),
        content_hash=_content_hash(table, rest),
        losses=tuple(loss for loss in losses if loss.count),
    )


def _vektis_files(root: Path) -> Iterator[Path]:
    if root.is_dir():
        for pattern in _DEPTH:
            for path in sorted(root.glob(pattern)):
                if path.suffix.lower() == ".csv" and path.is_file() and key_columns_present(path):
                    yield path


def _mergers(paths: list[Path], mergers: Mapping[str, str] | str | Path | None) -> dict[str, str]:
    if isinstance(mergers, Mapping):
        return {canonical(old): canonical(new) for old, new in mergers.items()}
    if mergers is not None:
        return load_mergers(mergers)
    beside = sorted({file for path in paths for file in path.parent.glob("municipal_mergers*.csv")})
    return load_mergers(beside[0]) if beside else dict(MERGERS)


def _read_all(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> list[VektisFile]:
    files: list[VektisFile] = []
    failures: list[FileFailure] = []
    messages: list[str] = []
    for path in paths:
        try:
            files.append(read_vektis_file(path, connection=connection))
        except ContractError as error:
            failures += error.failures
            messages.append(str(error))
    if failures:
        raise ContractError("\n".join(messages), tuple(failures))
    return files


def _one_per_year(
    files: list[VektisFile], merged: Mapping[str, str], known: set[str]
) -> tuple[dict[int, VektisFile], dict[int, VektisFile]]:
    """Per year the file on the most recent borders (fewest names off the map), and the one left aside."""
    by_year: dict[int, list[tuple[int, VektisFile]]] = {}
    for file in files:
        unknown = sum(merged.get(name, name) not in known for name in file.municipalities)
        by_year.setdefault(file.year, []).append((unknown, file))
    chosen, skipped, messages = {}, {}, []
    for year, candidates in sorted(by_year.items()):
        candidates.sort(key=lambda item: (item[0], item[1].name))
        unknown, file = candidates[0]
        if len(candidates) > 1 and candidates[1][0] == unknown:
            names = ", ".join(c.name for n, c in candidates if n == unknown)
            messages.append(f"{year}: {names} are on the same borders; keep one of them in the folder")
        elif unknown:
            messages.append(
                f"{file.name}: {unknown} municipalities are on borders older than 2020 or newer than 2023; "
                "use the file on later borders, or give mergers= with the old and new names"
            )
        chosen[year] = file
        if len(candidates) > 1:
            skipped[year] = candidates[1][1]
    if messages:
        raise ContractError("\n".join(messages), tuple(messages))
    return chosen, skipped


def _harmonise(
    connection: duckdb.DuckDBPyConnection, chosen: Mapping[int, VektisFile], merged: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    union = " UNION ALL ".join(f'SELECT {year} AS year, * FROM "{f.relation}"' for year, f in chosen.items())
    connection.execute(f"CREATE OR REPLACE TEMP VIEW files AS {union}")
    connection.execute("CREATE OR REPLACE TEMP TABLE mergers (old VARCHAR, new VARCHAR)")
    if merged:
        connection.executemany("INSERT INTO mergers VALUES (?, ?)", sorted(merged.items()))
    # sums of DECIMAL are exact, so that neither row order nor threads can change them
    sums = ", ".join(f"sum({c}) AS {c}" for c in SUMS)
    table = connection.execute(
        f"""SELECT coalesce(new, municipality) AS municipality, year, sex, age_from, {sums}
        FROM files LEFT JOIN mergers ON municipality = old WHERE NOT is_rest GROUP BY ALL ORDER BY 1, 2, 3,
        4"""
    ).df()
    rest = connection.execute(
        f"SELECT year, {sums} FROM files WHERE is_rest GROUP BY year ORDER BY year"
    ).df()
    published = connection.execute(
        "SELECT year, municipality, sum(insured_years) AS insured_years FROM files WHERE NOT is_rest "
        "GROUP BY ALL ORDER BY 1, 2"
    ).df()
    for frame in (table, rest, published):
        for column in frame.columns.intersection(SUMS):
            frame[column] = frame[column].astype("float64")
        frame["year"] = frame["year"].astype("int64")
    table["age_from"] = table["age_from"].astype("int64")
    return table, rest, published


def _describe(chosen: Mapping[int, VektisFile], table: pd.DataFrame, rest: pd.DataFrame) -> pd.DataFrame:
    municipal = table.groupby("year")["insured_years"].sum()
    unplaced = rest.set_index("year")["insured_years"].reindex(municipal.index)
    return pd.DataFrame(
        {
            "layout": [f.n_columns for f in chosen.values()],
            "cells": [f.cells for f in chosen.values()],
            "municipalities": [len(f.municipalities) for f in chosen.values()],
            "negative_items": [f.negative_items for f in chosen.values()],
            "rest_share": (unplaced / (municipal + unplaced)).to_numpy(),
        },
        index=pd.Index(list(chosen), name="year"),
    )


def _content_hash(table: pd.DataFrame, rest: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for frame in (table, rest):
        digest.update(",".join(frame.columns).encode())
        for column in frame.columns:
            if column in SUMS:  # whole cents and hundredths of insured-years: exact
                values = np.rint(frame[column].to_numpy() * 100).astype("<i8").tobytes()
            elif frame[column].dtype == "int64":
                values = frame[column].to_numpy().astype("<i8").tobytes()
            else:
                values = "\n".join(frame[column]).encode()
            digest.update(values)
    return digest.hexdigest()
