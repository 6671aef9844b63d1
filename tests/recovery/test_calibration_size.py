"""The calibration in small: the size of the candidates in a few cells, within Monte Carlo error."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from analyses.calibration_blocks import Block
from analyses.calibration_cells import cells
from analyses.calibration_families import run_family
from analyses.calibration_found import ALPHA
from analyses.calibration_procedures import PROCEDURES
from analyses.calibration_table import primary_from, read_table

STUDIES = 500
ERROR = np.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
CELLS = {cell.name: cell for cell in cells()}


@cache
def _rejected(name, family="changes", studies=STUDIES):
    block = Block(CELLS[name], family, 10_000, studies, "")  # a number that no calibration reaches
    outcomes, draws = block.seeds
    drawn = block.cell.draw(np.random.default_rng(outcomes), block.cell.design, studies)
    found = run_family(family, block.cell, drawn, seed=draws, intervals=0)
    return {
        name: np.mean(part.p <= ALPHA, axis=1) for name, part in found.items() if not isinstance(part, str)
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal.14", "size_trend.14", "normal.5"])
def test_the_primary_keeps_its_size(name):
    rates = _rejected(name)[primary_from(read_table())]
    assert rates[0] == pytest.approx(ALPHA, abs=4 * ERROR)
    assert rates[0] < rates[1] < rates[2]  # power grows with the effect


@pytest.mark.slow
def test_what_is_known_to_fail_is_seen_to_fail():
    assert _rejected("size_trend.14")["cr2_bm"][0] > ALPHA + 4 * ERROR
    assert _rejected("varying.14")["pooled_t"][0] > ALPHA + 2 * ERROR
    assert _rejected("normal.5")["cr1"][0] > ALPHA + 4 * ERROR
    assert _rejected("ar.14", "panel")["panel_independent"][0] > ALPHA + 8 * ERROR


@pytest.mark.slow
def test_few_questionnaires_need_the_practice_period_effect():
    rates = _rejected("nps_30.14", "mixed", 100)
    assert rates["mixed_practice"][0] >= rates["mixed_kr"][0]
    assert rates["mixed_kr"][0] < ALPHA + 4 * ERROR * np.sqrt(STUDIES / 100)


def test_staggered_and_single_arm_procedures_answer():
    staggered = _rejected("staggered_annual.14", "staggered", 60)
    single = _rejected("eq5d_30.14", "single_arm", 60)
    room = 5 * ERROR * np.sqrt(STUDIES / 60)
    assert set(staggered) == {p.name for p in PROCEDURES if p.family == "staggered"}
    assert staggered["cs_permutation_tertiles"][0] < ALPHA + room
    assert single["sign_flips"][0] < ALPHA + room
    assert single["sign_flips"][2] > single["sign_flips"][0]
