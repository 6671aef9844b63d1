"""Time the staggered estimators and their permutation tests.

python benchmarks/staggered.py                       # medians
python benchmarks/staggered.py --timings FILE        # with ratios to R's seconds in values/timings.json
python benchmarks/staggered.py --rows                # growth of Callaway-Sant'Anna from 10,000 to
10,000,000 rows
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pluseval.numerics.imputation import imputation_att
from pluseval.numerics.multiplier import multiplier_bootstrap
from pluseval.numerics.staggered import group_time_att
from pluseval.numerics.staggered_average import aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.synthdid_resampling import block_effects

SEED = 1001
YEARS = np.arange(2011.0, 2021.0)


def units(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Random walks over ten years; a third never treated, the others from one of six years on."""
    rng = np.random.default_rng(SEED)
    entry = rng.choice([0, 0, 0, 2013, 2014, 2015, 2016, 2017, 2018], size=n)
    return rng.normal(size=(n, YEARS.size)).cumsum(axis=1), entry


def practices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """70 practices over 8 years, 10 and 4 treated from the third and fourth year on."""
    rng = np.random.default_rng(SEED)
    return rng.normal(size=(70, 8)).cumsum(axis=1), np.repeat([0, 2016, 2017], [56, 10, 4]), YEARS[2:]


def median_seconds(work: Callable[[], object], *, repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def callaway_santanna(y: np.ndarray, entry: np.ndarray, *, draws: int) -> object:
    """Every effect by cohort and year, the event study, and a band for both."""
    effects = group_time_att(y, entry=entry, periods=YEARS)
    events = aggregate_att(effects, kind="dynamic")
    influence = np.column_stack([effects.influence, events.influence, events.overall_influence])
    return multiplier_bootstrap(influence, draws=draws, seed=SEED)


def permutation(**choices: object) -> object:
    y, entry, periods = practices()
    made = staggered_permutation_test(y, entry=entry, periods=periods, seed=SEED, draws=9_999, **choices)
    return made.p_value(), made.conf_int()


def compare(timings: Path | None) -> None:
    y, entry = units(5_000)
    donors = np.random.default_rng(SEED).normal(size=(301, 13)).cumsum(axis=1)
    blocks = [np.array([unit]) for unit in range(100)]
    tertiles = np.arange(70) % 3
    rows = [
        (
            "Callaway-Sant'Anna, 5,000 units x 10 years, 1,000 draws",
            lambda: callaway_santanna(y, entry, draws=1_000),
            0.5,
        ),
        ("9,999 reassignments with interval, 70 practices x 8 years", permutation, 1.0),
        (
            "the same, imputation, within strata",
            lambda: permutation(estimator="imputation", strata=tertiles),
            1.0,
        ),
        ("imputation, 5,000 units x 10 years", lambda: imputation_att(y, entry=entry, periods=YEARS), None),
        (
            "100 placebo estimates of synthetic DiD, 300 donors x 13 years",
            lambda: block_effects(donors, blocks=blocks, n_pre=8),
            1.0,
        ),
    ]
    r = json.loads(timings.read_text(encoding="utf-8"))["results"] if timings else {}
    print("medians of 7")
    for name, work, target in rows:
        seconds = median_seconds(work)
        print(f"  {name}: {seconds:.3f} s" + (f" (must reach {target} s)" if target else ""))
        if name.startswith("Callaway") and "att_gt_5000x10_dr_cov_boot1000" in r:
            theirs = r["att_gt_5000x10_dr_cov_boot1000"]["median"]
            print(
                f"    R did, doubly robust with a covariate: {theirs:.2f} s, {theirs / seconds:.0f} "
                "times ours"
            )


def growth() -> None:
    print("rows, seconds of Callaway-Sant'Anna with its event study (no draws), peak memory so far")
    for n in (1_000, 10_000, 100_000, 1_000_000):
        y, entry = units(n)

        def work(y: np.ndarray = y, entry: np.ndarray = entry) -> object:
            return aggregate_att(group_time_att(y, entry=entry, periods=YEARS), kind="dynamic")

        seconds = median_seconds(work, repeats=3 if n < 10**6 else 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(f"  {10 * n:>10,} {seconds:8.3f} s {peak:6.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", action="store_true", help="time 10^4 to 10^7 rows")
    parser.add_argument("--timings", type=Path, help="R's values/timings.json")
    asked = parser.parse_args()
    growth() if asked.rows else compare(asked.timings)
