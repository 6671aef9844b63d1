"""Time the wild cluster bootstrap and the permutation test, each with its interval by inversion.

    python benchmarks/wild.py                    # medians, peak memory of a million draws
    python benchmarks/wild.py --timings FILE     # with the ratio to R's seconds in values/timings.json
    python benchmarks/wild.py --rows             # growth from 10,000 to 10,000,000 rows

Data as in R's timing script: 84 practices of 240 patients, 14 of them treated, eight years, a change from
2017 on. What is timed starts from the arrays: fit, draws, p and interval; R's ``boottest`` is given the model
fitted. The permutation test takes one change for each of 70 practices, 14 of them treated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pluseval.numerics.assign import quantile_strata
from pluseval.numerics.invert import Interval
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import permutation_test
from pluseval.numerics.wild import wild_bootstrap

SEED = 1004
PRACTICES = 84
DRAWS, MANY = 9_999, 999_999
IN_TIMINGS = "boottest_20k_G84_B9999_webb"


def simulate(rows: int, *, seed: int = SEED) -> dict[str, np.ndarray]:
    """Rows in practices of equal size; the first 14 practices are treated, from the fifth year on."""
    rng = np.random.default_rng(seed)
    practice = np.arange(rows) * PRACTICES // rows
    year = 2013 + np.arange(rows) % 8
    treated, post = (practice < 14).astype(float), (year >= 2017).astype(float)
    y = rng.normal(0, 0.3, PRACTICES)[practice] + 0.1 * treated * post + rng.normal(size=rows)
    return {
        "y": y,
        "x": np.column_stack([np.ones(rows), treated, post, treated * post]),
        "practice": practice,
    }


def webb(d: dict[str, np.ndarray], *, draws: int) -> tuple[float, Interval]:
    """p and interval of the effect, under the null, with Webb's six points."""
    made = fit(d["y"], d["x"])
    boot = wild_bootstrap(made, d["practice"], 3, distribution="webb", draws=draws, seed=SEED)
    return boot.p_value(), boot.conf_int()


def permutations(*, adjusted: bool) -> Callable[[], tuple[float, Interval]]:
    """p and interval of 14 against 56 practices; adjusted: by log list size, within its tertiles."""
    rng = np.random.default_rng(SEED)
    treated = np.repeat([1, 0], [14, 56])
    size = np.log(np.where(treated == 1, 5_125, 3_160)) + rng.normal(0, 0.4, 70)
    change = rng.normal(size=70)
    choices = (
        {"statistic": "cr2", "covariates": size, "strata": quantile_strata(size)}
        if adjusted
        else {"statistic": "welch"}
    )

    def work() -> tuple[float, Interval]:
        made = permutation_test(change, treated, draws=DRAWS, seed=SEED, **choices)
        return made.p_value(), made.conf_int()

    return work


def timed(work: Callable[[], object], *, repeats: int = 7) -> tuple[float, float]:
    """Median and smallest seconds; the smallest tells what a busy machine hides."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), min(seconds)


def peak_mib() -> float:
    """Largest memory this process, with Python and its libraries, has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(draws: int) -> dict[str, float]:
    """Median seconds and peak MiB of a bootstrap in a process that does nothing else."""
    command = [sys.executable, __file__, "--alone", str(draws)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(draws: int) -> None:
    """The other end of :func:`in_a_process`."""
    d = simulate(240 * PRACTICES)
    seconds, fastest = timed(lambda: webb(d, draws=draws))
    print(json.dumps({"seconds": seconds, "fastest": fastest, "peak_mib": peak_mib()}))


def compare(timings: Path | None) -> None:
    many = in_a_process(MANY)  # first: a child's peak starts at what its parent holds
    d = simulate(240 * PRACTICES)
    load = os.getloadavg()[0]
    print(f"{d['y'].size:,} rows, G = {PRACTICES}, medians of 7; load {load:.1f} on {os.cpu_count()} cores")
    ours, fastest = timed(lambda: webb(d, draws=DRAWS))
    print(f"  {DRAWS:,} Webb draws with interval: {ours:.4f} s, fastest {fastest:.4f} s (must reach 0.05 s)")
    if timings is None:
        print("    no peer here: fwildclusterboot is not in Debian; name R's seconds with --timings FILE")
    else:
        theirs = json.loads(timings.read_text(encoding="utf-8"))["results"][IN_TIMINGS]["median"]
        print(f"    R, fwildclusterboot as recorded: {theirs:.3f} s, {theirs / ours:.1f} times ours")
    print(
        f"  {MANY:,} Webb draws with interval: {many['seconds']:.2f} s, fastest {many['fastest']:.2f} s, "
        f"peak {many['peak_mib']:.0f} MiB (must reach 2 s, 300 MiB)"
    )
    print(f"70 practices, {DRAWS:,} permutations with interval (no peer)")
    for name, adjusted in (("Welch", False), ("CR2, log list size, within its tertiles", True)):
        seconds, fastest = timed(permutations(adjusted=adjusted))
        print(f"  {name}: {seconds:.4f} s, fastest {fastest:.4f} s")


def growth() -> None:
    print(
        f"rows, seconds of fit + {DRAWS:,} Webb draws + interval (median, fastest), peak memory so far; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for rows in (10**4, 10**5, 10**6, 10**7):
        d = simulate(rows)
        seconds, fastest = timed(lambda d=d: webb(d, draws=DRAWS), repeats=7 if rows < 10**7 else 3)
        print(f"  {rows:>10,} {seconds:8.4f} s {fastest:8.4f} s {peak_mib() / 1024:6.2f} GiB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", action="store_true", help="time 10^4 to 10^7 rows")
    parser.add_argument("--timings", type=Path, help="R's values/timings.json")
    parser.add_argument("--alone", type=int, metavar="DRAWS", help="time this many draws only, as JSON")
    asked = parser.parse_args()
    if asked.alone:
        alone(asked.alone)
    elif asked.rows:
        growth()
    else:
        compare(asked.timings)
