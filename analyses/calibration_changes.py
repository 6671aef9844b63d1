"""Procedures for one change per practice: the candidates for the primary, and those of a single arm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyses.calibration_cells import Cell, Drawn
from analyses.calibration_found import ALPHA, DRAWS, Found, listed, of_t, widths
from analyses.calibration_procedures import PERMUTATIONS, PermutationChoice
from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, quantile_strata, require_attainable
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import sign_flip_test
from pluseval.numerics.studies import (
    Permutations,
    WildDraws,
    mean_t,
    pooled_t,
    robust_t,
    sign_flip_p_values,
    welch_t,
)
from pluseval.numerics.wild import wild_bootstrap

WEBB = np.sqrt([1.5, 1.0, 0.5])


def changes(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found | str]]:
    """Changes of programme and comparison practices."""
    design, y = cell.design, drawn.change
    group, log = design.treated.astype(float), design.log_size
    yield "pooled_t", of_t(pooled_t(y, group), cell, intervals)
    yield "welch", of_t(welch_t(y, group), cell, intervals)
    for kind in ("CR1", "CR3"):
        yield kind.lower(), of_t(robust_t(y, group, kind=kind, df="clusters"), cell, intervals)
    for kind in ("CR1", "CR2", "CR3"):
        yield f"{kind.lower()}_bm", of_t(robust_t(y, group, kind=kind), cell, intervals)
    yield "cr2_bm_log", of_t(robust_t(y, group, log), cell, intervals)
    for variant in dict.fromkeys(choice.drawn for choice, _ in PERMUTATIONS.values()):
        yield from _permuted(cell, y, variant, seed, intervals)
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(group.size), group])
    for weights in ("rademacher", "webb"):
        signs = rng.integers(0, 2, (DRAWS, group.size)) * 2.0 - 1
        numbers = signs if weights == "rademacher" else signs * rng.choice(WEBB, signs.shape)
        made = WildDraws.of(group, numbers)
        p = np.stack([made.p_values(y + effect * group) for effect in cell.tested])
        ends = [
            wild_bootstrap(
                fit(row, X), np.arange(group.size), 1, distribution=weights, draws=DRAWS, seed=seed
            ).conf_int()
            for row in y[:intervals]
        ]
        yield f"wild_{weights}", Found(p, widths(ends))


def single_arm(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found | str]]:
    """Changes of the programme practices alone."""
    y = drawn.change[:, cell.design.treated]
    yield "single_t", of_t(mean_t(y), cell, intervals)
    G = y.shape[1]
    try:
        tests = [sign_flip_test(row, draws=2**14, seed=seed) for row in y[: max(intervals, 1)]]
    except DesignError as error:
        yield "sign_flips", str(error)
        return
    signs = 2 * ((np.arange(2**G)[:, None] >> np.arange(G)) & 1) - 1
    p = np.stack([sign_flip_p_values(y + size, signs, added=False) for size in cell.tested])
    yield "sign_flips", Found(p, widths([test.conf_int() for test in tests[:intervals]]))


def _permuted(
    cell: Cell, y: np.ndarray, variant: PermutationChoice, seed: int, intervals: int
) -> Iterator[tuple[str, Found | str]]:
    """The permutation tests that share their draws; they differ in how they count the tails."""
    design, group = cell.design, cell.design.treated.astype(float)
    sharing = {name: choice for name, (choice, _) in PERMUTATIONS.items() if choice.drawn == variant}
    try:
        strata = None if variant.groups == 1 else quantile_strata(design.list_size, groups=variant.groups)
        made = assignments(group, strata=strata, draws=DRAWS, seed=seed)
        require_attainable(made, ALPHA)
    except DesignError as error:
        yield from ((name, str(error)) for name in sharing)
        return
    permuted = Permutations.of(
        group,
        listed(made),
        covariates=design.log_size if variant.adjusted else None,
        coefficient=variant.coefficient,
        added=not made.exact,
    )
    both = permuted.both(y, cell.tested)
    tests = permuted.resamplings(y[:intervals])
    for name, choice in sharing.items():
        ends = [test.interval(tails="equal" if choice.equal_tails else "symmetric") for test in tests]
        yield name, Found(both[int(choice.equal_tails)], widths(ends))
