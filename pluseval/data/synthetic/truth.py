"""What was true of a synthetic study: parameters, seed, planted effects, and what it was conditioned on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.parameters import GENERATOR_VERSION, Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.shocks import in_force
from pluseval.errors import NotFoundError, UnreadableError

FILE = "truth.json"


def truth(
    *,
    seed: int,
    kind: str,
    parameters: Parameters,
    effects: Effects,
    roster: Roster,
    own: Mapping[str, np.ndarray],
    conditioned_on: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The content of ``truth.json``.

    Returns
    -------
    dict
        ``planted`` holds the effects set in the generator: the set, and per outcome the mean true effect on
        the programme practices in each year and the effect of a full year on each practice.
        ``conditioned_on`` holds what was drawn to match, and is null in a planted study: the two are never
        the same thing.
    """
    ids = np.array(roster.ids)[roster.treated]
    outcomes = {}
    for outcome, effect in effects.outcomes().items():
        by_year = (own[outcome][:, None] * in_force(roster, effect.from_year))[roster.treated].mean(axis=0)
        outcomes[outcome] = {
            "mean_by_year": {str(y): round(float(v), 10) for y, v in zip(roster.years, by_year, strict=True)},
            "by_practice": {
                str(i): round(float(v), 10) for i, v in zip(ids, own[outcome][roster.treated], strict=True)
            },
        }
    return {
        "generator_version": GENERATOR_VERSION,
        "kind": kind,
        "seed": seed,
        "parameters": parameters.as_dict(),
        "planted": {"effects": effects.as_dict(), "outcomes": outcomes},
        "conditioned_on": dict(conditioned_on) if conditioned_on else None,
    }


def write_truth(content: Mapping[str, Any], folder: Path) -> None:
    """Write ``truth.json`` into a folder."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", newline="\n")


def read_truth(folder: Path | str) -> dict[str, Any]:
    """The truth of a synthetic study.

    Raises
    ------
    NotFoundError
        If the folder holds no ``truth.json``: only synthetic studies have one.
    UnreadableError
        If it is not JSON.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise NotFoundError(f"{Path(folder).name} holds no {FILE}: only synthetic studies have one")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{FILE} is not JSON: {error}") from error
