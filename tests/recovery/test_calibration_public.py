"""A procedure of the calibration says what the estimator that users call says of the same study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analyses.calibration_cells import AFTER, BEFORE, YEARS, cells
from analyses.calibration_families import run_family
from analyses.calibration_found import DRAWS
from analyses.calibration_outcomes import RATE
from analyses.calibration_panels import FEW_DRAWS
from analyses.calibration_procedures import PROCEDURES
from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.did import did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import ClusterRobust
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.serial import serial_did
from pluseval.estimate.staggered import staggered_did
from pluseval.estimate.sun_abraham import sun_abraham
from pluseval.estimate.synthetic import synthetic_did

SEED = 5
ASKED = [0, 1, 3]  # no effect, the smaller one, the same in the other direction
CELLS = {cell.name: cell for cell in cells()}
PCT = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points", "punten",
              "lower", per=100.0)  # fmt: skip
TERTILES = {"draws": DRAWS, "seed": SEED, "strata": "list_size"}


def _found(name, family, drawn):
    """The answers of every procedure of a family at the effects of ``ASKED``, of one study."""
    found = run_family(family, CELLS[name], drawn, seed=SEED, intervals=0)
    assert set(found) == {procedure.name for procedure in PROCEDURES if procedure.family == family}
    return {key: part.p[ASKED, 0] for key, part in found.items()}


def _effects(name):
    return enumerate(np.array(CELLS[name].tested)[ASKED])


def _drawn(name):
    cell = CELLS[name]
    return cell.draw(np.random.default_rng(SEED), cell.design, 1)


def _frame(name, y, periods, entry, *, effect=0.0, exposure=None):
    """Practice rows; ``effect`` is added from entry on."""
    design = CELLS[name].design
    G, T = y.shape
    data = pd.DataFrame(
        {
            "practice": np.repeat(np.arange(G), T), "year": np.tile(periods, G), "entry": np.repeat(entry, T),
            "list_size": np.repeat(design.list_size, T),
        }
    )  # fmt: skip
    data["y"] = y.ravel() + effect * ((data["entry"] > 0) & (data["year"] >= data["entry"]))
    data["exposed"] = data["list_size"] if exposure is None else exposure
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="y", entry="entry", measure=PCT, exposure="exposed",
        covariates=["list_size"],
    )  # fmt: skip


def _entry(name):
    cell = CELLS[name]
    return cell.design.entries(cell.panel.batches)


def test_staggered_estimators():
    name = "staggered_annual.14"
    drawn = _drawn(name)
    found = _found(name, "staggered", drawn) | _found(name, "synthetic_permutation", drawn)
    few = Permutation(draws=FEW_DRAWS, seed=SEED)
    permuted = Permutation(**TERTILES)
    for at, effect in _effects(name):
        frame = _frame(name, drawn.panel[0], YEARS, _entry(name), effect=effect)
        expected = {
            "imputation_analytic": imputation_did(frame),
            "imputation_permutation": imputation_did(frame, inference=replace(permuted, strata=None)),
            "imputation_permutation_tertiles": imputation_did(frame, inference=permuted),
            "sun_abraham": sun_abraham(frame, errors="CR1"),
            "sun_abraham_cr2": sun_abraham(frame, errors="CR2"),
            "cs_permutation_tertiles": staggered_did(frame, comparison="never", inference=permuted),
        }
        for key, made in expected.items():
            assert found[key][at] == pytest.approx(made.overall.p_value, rel=1e-6), key
        synthetic = synthetic_did(frame, inference=few, interval=False)
        assert found["sdid_permutation"][at] == pytest.approx(synthetic.p_value, rel=1e-9)


def test_serial_correlation_and_synthetic_comparison():
    name = "ar.14"
    drawn = _drawn(name)
    serial, permuted = _found(name, "serial", drawn), _found(name, "synthetic_permutation", drawn)
    synthetic = Permutation(draws=FEW_DRAWS, seed=SEED)
    windows = ((2013, 2016), (2017, 2020))
    for at, effect in _effects(name):
        frame = _frame(name, drawn.panel[0], YEARS, _entry(name), effect=effect)
        robust = serial_did(frame, windows=windows)
        model = serial_did(frame, windows=windows, errors="satterthwaite")
        assert serial["ar1_cr2"][at] == pytest.approx(robust.p_value, rel=1e-5)
        assert serial["ar1_satterthwaite"][at] == pytest.approx(model.p_value, rel=1e-5)
        made = synthetic_did(frame, inference=synthetic, interval=False)
        assert permuted["sdid_permutation"][at] == pytest.approx(made.p_value, rel=1e-9)


def test_estimating_equations():
    name = "nps_30.14"
    drawn, design = _drawn(name), CELLS[name].design
    found = _found(name, "gee", drawn)
    G, waves, n = drawn.answers.shape[1:]
    data = pd.DataFrame(
        {
            "practice": np.repeat(np.arange(G), waves * n), "year": np.tile(np.repeat([2015, 2018], n), G),
            "person": np.arange(G * waves * n), "nps": drawn.answers[0].ravel().astype(float),
        }
    )  # fmt: skip
    data["entry"] = np.where(design.treated[data["practice"]], 2016, 0)
    points = Measure("nps", "NPS", "NPS", "points", "punten", "points", "punten", "higher")
    for at, effect in _effects(name):
        moved = data.assign(nps=data["nps"] + effect * ((data["entry"] > 0) & (data["year"] == 2018)))
        frame = AnalysisFrame.from_pandas(
            moved, unit="person", cluster="practice", period="year", y="nps", entry="entry", measure=points
        )
        for key, correction, df in (
            ("gee_mancl_derouen", "mancl_derouen", "satterthwaite"),
            ("gee_kauermann_carroll", "kauermann_carroll", "satterthwaite"),
            ("gee_mancl_derouen_residual", "mancl_derouen", "residual"),
        ):
            made = gee_did(frame, correction=correction, df=df)
            assert found[key][at] == pytest.approx(made.p_value, rel=1e-6), key


def test_rate_ratios():
    name = "counts.14"
    drawn, design = _drawn(name), CELLS[name].design
    found = _found(name, "counts", drawn)
    entry = np.where(design.treated, 2016, 0)
    for at, effect in _effects(name):
        counts = drawn.counts[0].astype(float)
        counts[design.treated, 1] *= 1 + effect / RATE
        rates = 100 * counts / design.list_size[:, None]
        frame = _frame(name, rates, np.array([2015, 2017]), entry)
        made = rate_ratio_did(frame, inference=ClusterRobust("CR2"))
        assert found["ppml_cr2_bm"][at] == pytest.approx(made.p_value, rel=1e-5)
        made = rate_ratio_did(frame, inference=Permutation(**TERTILES))
        assert found["rate_permutation_tertiles"][at] == pytest.approx(made.p_value, rel=1e-9)


def test_the_primary():
    name = "ar.14"
    drawn, entry = _drawn(name), _entry(name)
    found = _found(name, "changes", drawn)
    for at, effect in _effects(name):
        frame = _frame(name, drawn.panel[0], YEARS, entry, effect=effect)
        made = did(frame, inference=Permutation(**TERTILES, tails="equal"), windows=(BEFORE, AFTER))
        assert found["permutation_t_tertiles_equal"][at] == pytest.approx(made.p_value, rel=1e-9)
        plain = did(frame, inference=ClusterRobust("CR3", df="clusters"), windows=(BEFORE, AFTER))
        assert found["cr3"][at] == pytest.approx(plain.p_value, rel=1e-6)
