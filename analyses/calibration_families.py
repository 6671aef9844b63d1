"""Which functions measure which family of procedures.

Every p-value is of no effect, for the studies as drawn and with each of the cell's effects added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analyses import calibration_changes as changes
from analyses import calibration_models as models
from analyses import calibration_panels as panels
from analyses.calibration_cells import Cell, Drawn
from analyses.calibration_found import Found
from analyses.calibration_procedures import PROCEDURES
from pluseval.errors import DesignError

FAMILIES: dict[str, Callable[[Cell, Drawn, int, int], Iterator]] = {
    "changes": changes.changes,
    "single_arm": changes.single_arm,
    "panel": panels.panel,
    "serial": panels.serial,
    "synthetic": panels.synthetic,
    "synthetic_permutation": panels.synthetic_permutation,
    "staggered": panels.staggered,
    "mixed": models.mixed,
    "gee": models.marginal,
    "counts": models.counts,
}


def run_family(
    family: str, cell: Cell, drawn: Drawn, *, seed: int, intervals: int = 5
) -> dict[str, Found | str]:
    """What every procedure of a family says of a block; the reason in words where one refuses the design.

    ``intervals`` is the number of studies whose interval's width is kept.
    """
    found: dict[str, Found | str] = {}
    try:
        for name, answer in FAMILIES[family](cell, drawn, seed, intervals):
            found[name] = answer
    except DesignError as error:  # what has answered stands; a design that the rest refuses, it refuses here
        named = [procedure.name for procedure in PROCEDURES if procedure.family == family]
        found.update({name: str(error) for name in named if name not in found})
    return found
