"""Blocks of simulated studies: the unit of work, of seeds and of resuming.

A block is studies of one cell under one family of procedures. Its result is one small file, written whole or
not at all, under a name that holds the hash of everything it depends on: an interrupted calibration goes on
where it stopped, and a changed procedure is measured anew.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import analyses
from analyses.calibration_cells import Cell
from analyses.calibration_families import run_family
from analyses.calibration_found import ALPHA, Found
from pluseval.errors import NotFoundError
from pluseval.report.manifest import hash_code, hash_json

SEED = 20160601  # start of the first batch; fixed before the first full calibration
SIZES = {"mixed": 100, "gee": 100, "serial": 100, "synthetic": 100, "synthetic_permutation": 50}  # the slow
FEWER = {"synthetic": 2, "synthetic_permutation": 2}  # times fewer studies than of the other slow ones
SIZE = 500
INTERVALS = 25  # of each of the first blocks: medians of widths rest on 500
WITH_INTERVALS = 20
CODE = (
    *(
        f"analyses/calibration_{part}.py"
        for part in (
            "blocks", "cells", "changes", "design", "families", "found", "models", "outcomes", "panels",
            "procedures",
        )
    ),
    *(f"pluseval/data/synthetic/{part}.py" for part in ("latent", "parameters", "programmes")),
    *(
        f"pluseval/numerics/{part}.py"
        for part in (
            "assign", "cluster", "covariance", "gee", "imputation", "invert", "linear", "mixed",
            "mixed_inference", "mixed_likelihood", "mixed_sums", "panel_studies", "permute", "products",
            "rate_permutation", "rate_studies", "reassignment", "score_sandwich", "simplex", "simplex_many",
            "staggered", "staggered_average", "studies", "synthdid", "synthdid_permutation",
            "synthdid_reassigned", "synthdid_resampling", "wild",
        )
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Studies of one cell, their seeds given by cell, kind and number alone."""

    cell: Cell
    family: str
    number: int
    size: int
    code: str

    @property
    def file(self) -> str:
        """Name of the block's file; it changes with the code and the design."""
        design = self.cell.design
        what = [self.cell.name, self.family, self.number, self.size, self.code, SEED, self.cell.effects,
                design.list_size.tolist(), design.treated.tolist()]  # fmt: skip
        return f"{self.cell.name}/{self.family}-{self.number:04d}-{hash_json(what)[:12]}.json"

    @property
    def seeds(self) -> tuple[np.random.SeedSequence, int]:
        """Of the outcomes (families of one size share them), and of the draws."""
        group = SIZES.get(self.family, SIZE)
        parts = [SEED, zlib.crc32(self.cell.name.encode()), group, self.number]
        draws = int(np.random.SeedSequence([*parts, 1]).generate_state(1)[0])
        return np.random.SeedSequence([*parts, 0]), draws


def code_hash() -> str:
    """Hash of the code that the numbers of the table rest on.

    Raises
    ------
    NotFoundError
        If one of its files is not there.
    """
    found = hash_code({"analyses": Path(analyses.__file__).parent})
    missing = [name for name in CODE if name not in found]
    if missing:
        raise NotFoundError(f"calibration rests on {', '.join(missing)}, which is not there")
    return hash_json({name: found[name] for name in CODE})


def blocks_of(cell: Cell, *, studies: int, slow_studies: int, code: str) -> tuple[Block, ...]:
    """The blocks of a cell; the last ones are smaller where the number asked for needs it."""
    made = []
    for family in cell.families:
        size = SIZES.get(family, SIZE)
        wanted = max(1, slow_studies // FEWER.get(family, 1)) if family in SIZES else studies
        for number, start in enumerate(range(0, wanted, size)):
            made.append(Block(cell, family, number, min(size, wanted - start), code))
    return tuple(made)


def run_block(block: Block, folder: Path) -> str:
    """Measure a block and write its file; nothing is left behind where it is interrupted."""
    outcomes, draws = block.seeds
    drawn = block.cell.draw(np.random.default_rng(outcomes), block.cell.design, block.size)
    intervals = INTERVALS if block.number < WITH_INTERVALS else 0
    found = run_family(block.family, block.cell, drawn, seed=draws, intervals=intervals)
    result = {name: _summary(part, block.size) for name, part in found.items()}
    file = folder / block.file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(result, sort_keys=True), encoding="utf-8")
    os.replace(part, file)
    return block.file


def missing_blocks(blocks: Iterable[Block], folder: Path) -> list[Block]:
    """Blocks without a file."""
    return [block for block in blocks if not (folder / block.file).is_file()]


def read_block(block: Block, folder: Path) -> dict[str, Any]:
    """What a block found."""
    return json.loads((folder / block.file).read_text(encoding="utf-8"))


def _summary(found: Found | str, studies: int) -> dict[str, Any]:
    if isinstance(found, str):
        return {"refused": found}
    rejected = np.count_nonzero(found.p <= ALPHA, axis=1)
    widths = [float(f"{width:.6g}") for width in found.widths if np.isfinite(width)]
    return {
        "studies": studies,
        "rejected": rejected.tolist(),
        "widths": widths,
        "unbounded": int(np.sum(~np.isfinite(found.widths))),
    }
