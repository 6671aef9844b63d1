"""The table of error rates: what it says of each candidate, and which primary follows from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyses.calibration_blocks import SEED, Block, read_block
from analyses.calibration_cells import Cell
from analyses.calibration_found import ALPHA, DRAWS
from analyses.calibration_procedures import PROCEDURES, procedures_of
from pluseval.errors import NotFoundError, PlanError
from pluseval.report.manifest import environment

FOLDER = Path(__file__).resolve().parent / "calibration"
COLUMNS = (
    "cell", "treated", "comparison", "constant_effect", "unit", "procedure", "studies",
    "size", "size_mcse", "coverage", "coverage_mcse",
    "effect", "power", "power_mcse", "larger_effect", "larger_power", "larger_power_mcse",
    "median_width", "median_width_mcse", "intervals", "unbounded",
    "opposite_power", "opposite_power_mcse",
)  # fmt: skip
LEAST = {
    "changes": 10_000, "single_arm": 10_000, "counts": 10_000, "staggered": 2_000, "panel": 2_000,
    "mixed": 2_000, "gee": 2_000, "serial": 2_000, "synthetic": 1_000, "synthetic_permutation": 1_000,
}  # fmt: skip
_BY_NAME = {procedure.name: procedure for procedure in PROCEDURES}
_TEXT = ("cell", "unit", "procedure")
_COUNT = ("treated", "comparison", "studies", "intervals", "unbounded")


@dataclass(frozen=True)
class Criteria:
    """Bounds on the size of the primary: both where effects are constant, the upper where they vary."""

    least: float
    most: float
    most_varying: float

    @classmethod
    def of(cls, treated: int) -> Criteria:
        """The pre-specified ones: from 14 programme practices on, and with fewer."""
        return cls(0.04, 0.06, 0.07) if treated >= 14 else cls(0.03, 0.07, 0.10)

    def excess(self, row: Mapping[str, Any]) -> float:
        """How far the size of a row lies outside, 0 where it does not."""
        if row["constant_effect"]:
            return max(self.least - row["size"], row["size"] - self.most, 0.0)
        return max(row["size"] - self.most_varying, 0.0)


@dataclass(frozen=True)
class Candidate:
    """A procedure that could be the primary, over all cells.

    Attributes
    ----------
    name : str
    failures : tuple of (cell, size)
        Cells where it misses the criteria.
    worst : float
        By how much, in the worst of them.
    power : float
        Mean over the cells of 14 and more programme practices with a constant effect, at the smaller effect.
    """

    name: str
    failures: tuple[tuple[str, float], ...]
    worst: float
    power: float


def rows_of(cell: Cell, blocks: Iterable[Block], folder: Path) -> list[dict[str, Any]]:
    """The rows of a cell from the files of its blocks; a refused procedure has 0 studies."""
    parts: dict[str, list[dict[str, Any]]] = {procedure.name: [] for procedure in procedures_of(cell)}
    for block in blocks:
        for name, part in read_block(block, folder).items():
            parts[name].append(part)
    return [_row(cell, name, found) for name, found in parts.items() if found]


def refusals_of(cell: Cell, blocks: Iterable[Block], folder: Path) -> dict[str, str]:
    """The procedures that refuse the cell's design, with the reason they give."""
    reasons = {}
    for block in blocks:
        for name, part in read_block(block, folder).items():
            if "refused" in part:
                reasons[name] = part["refused"]
    return reasons


def require_complete(
    table: Iterable[Mapping[str, Any]], cells: Iterable[Cell], *, refused: Mapping[str, Mapping[str, str]],
    least: Mapping[str, int] = LEAST,
) -> None:  # fmt: skip
    """Refuse a table that lacks a cell x procedure, or has too few studies of one.

    Raises
    ------
    PlanError
        With every one that is missing.
    """
    studies = {(row["cell"], row["procedure"]): row["studies"] for row in table}
    short = []
    for cell in cells:
        for procedure in procedures_of(cell):
            found = studies.get((cell.name, procedure.name), 0)
            if found < least[procedure.family] and procedure.name not in refused.get(cell.name, {}):
                short.append(f"{cell.name} x {procedure.name}: {found} of {least[procedure.family]} studies")
    if short:
        raise PlanError("the calibration is not complete:\n  " + "\n  ".join(short))


def candidates(table: Iterable[Mapping[str, Any]]) -> list[Candidate]:
    """Every candidate for the primary: those that keep the criteria first, the more powerful first."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in table:
        procedure = _BY_NAME[row["procedure"]]
        if procedure.family == "changes" and procedure.candidate and row["studies"]:
            by_name.setdefault(row["procedure"], []).append(row)
    made = []
    for name, rows in by_name.items():
        excess = {row["cell"]: Criteria.of(row["treated"]).excess(row) for row in rows}
        failures = tuple((row["cell"], row["size"]) for row in rows if excess[row["cell"]] > 0)
        most = max(row["treated"] for row in rows)
        power = np.mean([r["power"] for r in rows if r["constant_effect"] and r["treated"] == most])
        made.append(Candidate(name, failures, max(excess.values()), float(power)))
    return sorted(made, key=lambda c: (c.worst, -c.power))


def primary_from(table: Iterable[Mapping[str, Any]]) -> str:
    """The primary procedure: among those that keep the criteria in every cell, the most powerful.

    Where none does, the one whose largest miss is smallest; :func:`candidates` says which cells it misses.

    Raises
    ------
    NotFoundError
        The table has no candidate.
    """
    ordered = candidates(table)
    if not ordered:
        raise NotFoundError("the calibration table has no candidate for the primary")
    return ordered[0].name


def plan_entry(name: str) -> dict[str, Any]:
    """The entry of a plan for a procedure: ``inference`` (draws and seed are the plan's own) and ``adjust``.

    Examples
    --------
    >>> plan_entry("cr2_bm")
    {'inference': {'procedure': 'cluster_robust', 'kind': 'CR2'}, 'adjust': []}
    """
    procedure = _BY_NAME.get(name)
    if procedure is None or procedure.plan is None:
        raise NotFoundError(f"no entry of a plan stands for the procedure {name!r}")
    return procedure.plan


def manifest_of(
    table: Iterable[Mapping[str, Any]],
    cells: Iterable[Cell],
    *,
    code: str,
    refused: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """What made the table: studies of every cell x procedure, seeds, code, versions; no clock, no place."""
    table = list(table)
    studies: dict[str, dict[str, int]] = {}
    for row in table:
        studies.setdefault(row["cell"], {})[row["procedure"]] = row["studies"]
    made = candidates(table)
    return {
        "seed": SEED,
        "draws": DRAWS,
        "alpha": ALPHA,
        "code": code,
        "environment": environment(("joblib", "numpy", "pluseval", "scipy")),
        "cells": {
            cell.name: {
                "title": cell.title,
                "design": cell.design.name,
                "constant_effect": cell.constant,
                "studies": studies.get(cell.name, {}),
                "refused": dict(refused.get(cell.name, {})),
            }
            for cell in cells
        },
        "procedures": {
            p.name: {"title": p.title, "family": p.family, "candidate": p.candidate, "plan": p.plan}
            for p in PROCEDURES
        },
        "candidates": [
            {"procedure": c.name, "fails": dict(c.failures), "mean_power": round(c.power, 4)} for c in made
        ],
        "primary": primary_from(table),
    }


def write_table(table: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any], folder: Path) -> None:
    """``table.csv`` and ``manifest.json`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(row[name]) for name in COLUMNS} for row in table)
    (folder / "table.csv").write_text(out.getvalue(), encoding="utf-8", newline="\n")
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def read_table(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The table as rows with numbers, by default the committed one.

    Raises
    ------
    NotFoundError
        It is not there.
    """
    file = folder / "table.csv"
    if not file.is_file():
        raise NotFoundError("there is no calibration table; make one with `make calibrate`")
    with file.open(encoding="utf-8", newline="") as lines:
        return [{name: _value(name, text) for name, text in row.items()} for row in csv.DictReader(lines)]


def _row(cell: Cell, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    counted = [part for part in found if "refused" not in part]
    n = sum(part["studies"] for part in counted)
    widths = np.sort([width for part in counted for width in part["widths"]])
    rates = np.full(4, np.nan)
    if n:
        rates = np.sum([part["rejected"] for part in counted], axis=0) / n
    errors = np.sqrt(rates * (1 - rates) / n) if n else rates
    middle, its_error = _median(widths)
    return {
        "cell": cell.name,
        "treated": cell.design.n_treated,
        "comparison": cell.design.list_size.size - cell.design.n_treated,
        "constant_effect": cell.constant,
        "unit": cell.unit,
        "procedure": name,
        "studies": n,
        "size": rates[0], "size_mcse": errors[0],
        "coverage": 1 - rates[0], "coverage_mcse": errors[0],
        "effect": cell.effects[0], "power": rates[1], "power_mcse": errors[1],
        "larger_effect": cell.effects[1], "larger_power": rates[2], "larger_power_mcse": errors[2],
        "median_width": middle, "median_width_mcse": its_error,
        "intervals": widths.size, "unbounded": sum(part["unbounded"] for part in counted),
        "opposite_power": rates[3], "opposite_power_mcse": errors[3],
    }  # fmt: skip


def _median(ordered: np.ndarray) -> tuple[float, float]:
    """Median, and half the distance between the order statistics one standard error around it."""
    n = ordered.size
    if n < 4:
        return np.nan, np.nan
    reach = np.sqrt(n) / 2
    low, high = int(np.floor(n / 2 - reach)), int(np.ceil(n / 2 + reach))
    return float(np.median(ordered)), float(ordered[min(high, n - 1)] - ordered[max(low, 0)]) / 2


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.5g}"
    return str(value)


def _value(name: str, text: str) -> Any:
    if name in _TEXT:
        return text
    if name == "constant_effect":
        return text == "true"
    if name in _COUNT:
        return int(text)
    return float(text) if text else float("nan")
