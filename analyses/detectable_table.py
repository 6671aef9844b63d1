"""The table of minimal detectable effects: combined over planted studies, and held against the plan."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pluseval.errors import PlanError
from pluseval.pipeline.plan import Plan
from pluseval.report.manifest import environment

FOLDER = Path(__file__).resolve().parent / "calibration"
NAME = "detectable"
# Of an outcome in the plan: what its effect depends on.
DEPENDS = {
    "function", "options", "design", "periods", "windows", "margin", "inference", "adjust", "published",
}  # fmt: skip
COLUMNS = (
    "outcome", "reading", "procedure", "label", "label_nl", "unit", "unit_nl", "decimals", "design",
    "contrast", "inference", "power", "alpha", "effect", "mcse", "mean_level", "relative", "margin", "size",
    "programme", "comparison", "studies", "draws",
)  # fmt: skip


def combine(studies: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The mean over studies, with its Monte Carlo error.

    Each study brings its own persons, shocks and placebo assignments, so that the spread of its effect
    around the mean holds the error of both; the Monte Carlo error of the mean is that SD by the root of the
    number of studies. A single study has the error of its placebo assignments only.
    """
    grouped: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for rows in studies:
        for row in rows:
            grouped.setdefault((row["outcome"], row["reading"], row["procedure"]), []).append(row)
    return [_combined(rows) for rows in grouped.values()]


def _combined(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    effects = np.array([row["effect"] for row in rows])
    level = float(np.mean([row["mean_level"] for row in rows]))
    error = rows[0]["draw_mcse"] if len(rows) == 1 else effects.std(ddof=1) / np.sqrt(len(rows))
    means = {
        "effect": float(effects.mean()),
        "mcse": float(error),
        "mean_level": level,
        "relative": float(effects.mean()) / abs(level),
        "size": float(np.mean([row["size"] for row in rows])),
        "studies": len(rows),
    }
    return {name: means.get(name, rows[0].get(name)) for name in COLUMNS}


def asked_of(plan: Plan) -> dict[str, Any]:
    """What the plan says of each outcome that these numbers depend on."""
    return {
        "alpha": plan.alpha,
        "windows": [list(plan.windows.before), list(plan.windows.after)],
        "estimand": plan.estimand.model_dump(mode="json"),
        "outcomes": {
            outcome.key: outcome.model_dump(mode="json", include=DEPENDS) for outcome in plan.outcomes
        },
    }


def manifest_of(
    plan: Plan, *, code: str, seed: int, studies: int, draws: int, own: bool, parameters: str
) -> dict[str, Any]:
    """What made the table: plan, studies, seeds, code, versions; no clock, no place."""
    return {
        "made_from": "one study" if own else "planted studies",
        "studies": studies,
        "draws": draws,
        "seed": seed,
        "parameters": parameters,
        "plan": asked_of(plan),
        "code": code,
        "environment": environment(("joblib", "numpy", "pluseval", "scipy")),
    }


def require_of_plan(table: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a table that lacks an outcome of the plan, or was made with another contrast or procedure.

    Raises
    ------
    PlanError
        With every outcome that is missing or differs.
    """
    present = {(row["outcome"], row["reading"]) for row in table if row["procedure"] == "plan"}
    asked, made = asked_of(plan), manifest["plan"]
    faults = []
    for outcome in plan.outcomes:
        readings = ["primary", *(["published"] if outcome.published is not None else [])]
        faults += [
            f"{outcome.key}: no row of the {r} reading" for r in readings if (outcome.key, r) not in present
        ]
        here, there = asked["outcomes"][outcome.key], made["outcomes"].get(outcome.key, {})
        faults += [
            f"{outcome.key}: the plan's {name} is {here[name]}, the table's {there.get(name)}"
            for name in here
            if here[name] != there.get(name)
        ]
    faults += [
        f"the plan's {name} is {asked[name]}, the table's {made.get(name)}"
        for name in ("alpha", "windows", "estimand")
        if asked[name] != made.get(name)
    ]
    if faults:
        lines = "\n  ".join(faults)
        raise PlanError(
            f"the table of detectable effects is not that of the plan; `make calibrate`:\n  {lines}"
        )


def write_table(table: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any], folder: Path) -> None:
    """``detectable.csv`` and ``detectable.json`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(row[name]) for name in COLUMNS} for row in table)
    (folder / f"{NAME}.csv").write_text(out.getvalue(), encoding="utf-8", newline="\n")
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / f"{NAME}.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
