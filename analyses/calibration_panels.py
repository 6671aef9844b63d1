"""Procedures for panels of practices: plain, with serial correlation, synthetic, with staggered entry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyses.calibration_cells import Cell, Drawn, Panel
from analyses.calibration_found import ALPHA, DRAWS, Found, listed, of_t, widths
from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, require_attainable
from pluseval.numerics.covariance import panel_gls
from pluseval.numerics.panel_studies import Reassignments, two_way_t
from pluseval.numerics.reassignment import callaway_santanna_map, imputation_map
from pluseval.numerics.score_sandwich import robust_test
from pluseval.numerics.studies import TTests
from pluseval.numerics.synthdid import synthetic_did
from pluseval.numerics.synthdid_permutation import synthetic_did_permutation
from pluseval.numerics.synthdid_resampling import jackknife_standard_error, placebo_effects

PLACEBOS = 200
FEW_DRAWS = 499  # each one seeks weights anew, at every trial effect
SLOWER = 10  # times fewer intervals than of other procedures


def panel(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """The panel as it is, with practice and year effects."""
    y, calendar = _panel_of(cell, drawn)
    on = np.outer(cell.design.treated, calendar.periods >= calendar.from_period)
    for name, errors in (("panel_independent", "independent"), ("panel_cr1", "CR1")):
        yield name, of_t(two_way_t(y, on, errors=errors), cell, intervals)


def serial(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """The panel with an AR(1) covariance of the years of a practice."""
    y, calendar = _panel_of(cell, drawn)
    _, G, T = y.shape
    practice, year = np.repeat(np.arange(G), T), np.tile(calendar.periods, G)
    treated = cell.design.treated[practice].astype(float)
    years = (year[:, None] == calendar.periods[1:]).astype(float)
    X = np.column_stack([np.ones(G * T), treated, years, treated * (year >= calendar.from_period)])
    last = np.eye(X.shape[1])[-1]
    found: dict[str, list[tuple[float, float, float]]] = {"ar1_cr2": [], "ar1_satterthwaite": []}
    for rows in y:
        fitted = panel_gls(rows.ravel(), X, unit=practice, period=year, structure="ar1")
        effect = float(fitted.coefficients[-1])
        robust = robust_test(effect, fitted.clusters, last, kind="CR2")
        found["ar1_cr2"].append((effect, robust.std_error, robust.df))
        model = fitted.satterthwaite(last[None])
        found["ar1_satterthwaite"].append((effect, model.std_errors[0], model.df[0]))
    for name, tests in found.items():
        yield name, of_t(TTests(*np.array(tests).T), cell, intervals)


def synthetic(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """Synthetic difference in differences of practices that start together.

    Weights and both errors rest on the comparison practices and the years before, so that a constant effect
    moves the estimate alone.
    """
    y, calendar = _panel_of(cell, drawn)
    on = cell.design.treated
    ordered = np.concatenate([y[:, ~on], y[:, on]], axis=1)
    block = {"n_control": int((~on).sum()), "n_pre": int((calendar.periods < calendar.from_period).sum())}
    estimates = np.array([synthetic_did(rows, **block).estimate for rows in ordered])
    placebo = [placebo_effects(rows, **block, draws=PLACEBOS, seed=seed).std(ddof=1) for rows in ordered]
    left_out = [jackknife_standard_error(rows, **block) for rows in ordered]
    for name, std_errors in (("sdid_placebo", placebo), ("sdid_jackknife", left_out)):
        yield name, of_t(TTests(estimates, np.array(std_errors), np.inf), cell, intervals)


def synthetic_permutation(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """Synthetic difference in differences with entries dealt out anew."""
    y, calendar = _panel_of(cell, drawn)
    entry = cell.design.entries(calendar.batches)
    tests = [
        synthetic_did_permutation(
            rows, entry=entry, periods=calendar.periods, statistic="studentised", draws=FEW_DRAWS, seed=seed
        )
        for rows in y
    ]
    # an effect that was added is one that the test of its opposite takes off
    p = np.array([[test.p_value(-effect) for test in tests] for effect in cell.tested])
    yield "sdid_permutation", Found(p, widths([test.conf_int() for test in tests[: intervals // SLOWER]]))


def staggered(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found | str]]:
    """Estimators of staggered entry, with their own errors and with entries permuted."""
    y, calendar = _panel_of(cell, drawn)
    entry = cell.design.entries(calendar.batches)
    start = np.where(entry == 0, np.inf, entry)
    on = (calendar.periods >= start[:, None]).astype(float)
    yield "twfe_cr1", of_t(two_way_t(y, on, errors="CR1"), cell, intervals)
    cs = callaway_santanna_map(start, periods=calendar.periods, comparison="never_treated")
    maps = {"cs": cs, "imputation": imputation_map(start, periods=calendar.periods)}
    observed = np.searchsorted(cs.cohorts, start)
    for name, effect in maps.items():
        alone = Reassignments(effect, observed, observed[None])
        yield f"{name}_analytic", of_t(alone.analytic(y), cell, intervals)
    for name, errors in (("sun_abraham", "CR1"), ("sun_abraham_cr2", "CR2")):
        try:
            tests = Reassignments(cs, observed, observed[None]).sun_abraham(y, errors=errors)
        except DesignError as error:
            yield name, str(error)
            continue
        yield name, of_t(tests, cell, intervals)
    for among, strata in (("permutation", None), ("permutation_tertiles", cell.design.tertile)):
        try:
            made = assignments(start, strata=strata, draws=DRAWS, seed=seed)
            require_attainable(made, ALPHA)
        except DesignError as error:
            yield from ((f"{name}_{among}", str(error)) for name in maps)
            continue
        codes = listed(made)
        for name, effect in maps.items():
            permuted = Reassignments(effect, observed, codes, added=not made.exact)
            p = np.stack([permuted.p_values(y + size * on) for size in cell.tested])
            ends = [permuted.resampling(rows, on).interval() for rows in y[:intervals]]
            yield f"{name}_{among}", Found(p, widths(ends))


def _panel_of(cell: Cell, drawn: Drawn) -> tuple[np.ndarray, Panel]:
    if drawn.panel is None or cell.panel is None:
        raise DesignError(f"cell {cell.name} has no panel")
    return drawn.panel, cell.panel
