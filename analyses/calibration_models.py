"""Procedures that model answers of patients, or counts with their exposure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyses.calibration_cells import Cell, Drawn
from analyses.calibration_found import ALPHA, DRAWS, Found, listed, of_t, widths
from analyses.calibration_outcomes import RATE
from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, require_attainable
from pluseval.numerics.gee import gee
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import kenward_roger, satterthwaite
from pluseval.numerics.rate_permutation import rate_ratio_permutation
from pluseval.numerics.rate_studies import RateStudies
from pluseval.numerics.studies import TTests

GEE = {
    "gee_mancl_derouen": ("mancl_derouen", "satterthwaite"),
    "gee_kauermann_carroll": ("kauermann_carroll", "satterthwaite"),
    "gee_mancl_derouen_residual": ("mancl_derouen", "residual"),
    "gee_robust": ("robust", "residual"),
}


def mixed(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """Mixed models of patients' answers."""
    practice, period, X = _rows_of(cell, drawn)
    contrast = np.eye(4)[3:]
    found: dict[str, list[tuple[float, float, float]]] = {"mixed_kr": [], "mixed_practice": []}
    for y in _answers(drawn):
        whole = mixed_model(y, X, practice=practice, period=period)
        bare = mixed_model(y, X, practice=practice)
        for name, tests in (
            ("mixed_kr", kenward_roger(whole, contrast)),
            ("mixed_practice", satterthwaite(bare, contrast)),
        ):
            found[name].append((tests.estimates[0], tests.std_errors[0], tests.df[0]))
    for name, rows in found.items():
        yield name, of_t(TTests(*np.array(rows).T), cell, intervals)


def marginal(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found]]:
    """Estimating equations of patients' answers, clustered by practice."""
    practice, _, X = _rows_of(cell, drawn)
    last = np.eye(4)[3]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in GEE}
    for y in _answers(drawn):
        fitted = gee(y, X, cluster=practice)
        for name, (correction, df) in GEE.items():
            test = fitted.test(last, correction=correction, df=df)
            found[name].append((test.estimate, test.std_error, test.df))
    for name, rows in found.items():
        yield name, of_t(TTests(*np.array(rows).T), cell, intervals)


def counts(cell: Cell, drawn: Drawn, seed: int, intervals: int) -> Iterator[tuple[str, Found | str]]:
    """Ratios of rate ratios of counts with exposure.

    The effects are the factors that make the cell's effects of a rate of 34 per 100; widths are those of the
    ratio times 34, so that both stand in the unit of the cell.
    """
    if drawn.counts is None:
        raise DesignError(f"cell {cell.name} has no counts")
    design = cell.design
    exposures = np.column_stack([design.list_size, design.list_size])
    tested = [_multiplied(drawn.counts, design.treated, 1 + effect / RATE) for effect in cell.tested]
    group = design.treated.astype(int)
    alone = RateStudies(exposures, design.treated, group[None])
    for name, kind in (("ppml_cr1", "CR1"), ("ppml_cr2_bm", "CR2")):
        found = [alone.tests(each, kind=kind) for each in tested]
        p = np.stack([tests.p_values() for tests in found])
        yield name, Found(p, RATE * _ratio_widths(found[0])[:intervals])
    for name, strata in (("rate_permutation", None), ("rate_permutation_tertiles", design.tertile)):
        try:
            made = assignments(group, strata=strata, draws=DRAWS, seed=seed)
            require_attainable(made, ALPHA)
        except DesignError as error:
            yield name, str(error)
            continue
        studies = RateStudies(exposures, design.treated, listed(made), added=not made.exact)
        p = np.stack([studies.p_values(each) for each in tested])
        ends = [
            rate_ratio_permutation(each, exposures, group, strata=strata, draws=DRAWS, seed=seed).conf_int()
            for each in drawn.counts[:intervals]
        ]
        yield name, Found(p, RATE * widths(ends))


def _rows_of(cell: Cell, drawn: Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Practice, period and columns (constant, group, after, group x after) of each answer."""
    if drawn.answers is None:
        raise DesignError(f"cell {cell.name} has no answers of patients")
    _, G, waves, n = drawn.answers.shape
    practice = np.repeat(np.arange(G), waves * n)
    period = np.tile(np.repeat(np.arange(waves), n), G)
    on = cell.design.treated[practice].astype(float)
    return practice, period, np.column_stack([np.ones(on.size), on, period, on * period])


def _answers(drawn: Drawn) -> Iterator[np.ndarray]:
    for given in drawn.answers if drawn.answers is not None else ():
        yield given.reshape(-1).astype(float)


def _multiplied(made: np.ndarray, treated: np.ndarray, ratio: float) -> np.ndarray:
    """Counts (D, G, 2) with those of the treated after the start times a ratio."""
    out = made.astype(float)
    out[:, treated, 1] *= ratio
    return out


def _ratio_widths(tests: TTests) -> np.ndarray:
    """Widths of the intervals of the ratio, made on its logarithm."""
    half = tests.widths() / 2
    return np.exp(tests.estimates + half) - np.exp(tests.estimates - half)
