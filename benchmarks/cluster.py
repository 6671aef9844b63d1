"""Time CR2 with Satterthwaite degrees of freedom, beside clubSandwich on the same rows.

    python benchmarks/cluster.py                    # 20,000 rows in 84 practices: medians, ratio to R
    python benchmarks/cluster.py --timings FILE     # R's seconds from values/timings.json, without R
    python benchmarks/cluster.py --rows             # growth from 10,000 to 10,000,000 rows

Data as in R's timing script: 84 practices of 240 patients, 14 of them treated, eight years, a change from
2017 on. What is timed starts from the arrays: the fit, its covariance and a t test of every coefficient, as
R's ``coef_test``, which is given the model fitted.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import TTest, fit

SEED = 1004
PRACTICES = 84
IN_TIMINGS = "clubSandwich_CR2_20k_G84_coef_test"
R_SCRIPT = r"""
options(digits = 15)
suppressMessages(library(clubSandwich))
w <- read.csv(commandArgs(TRUE)[1])
m <- lm(y ~ treated + post + did, w)
s <- system.time(made <- coef_test(m, vcov = "CR2", cluster = w$practice, test = "Satterthwaite"))
df <- made[[grep("^df", names(made))[1]]]
cat(s[["elapsed"]], made$SE, df, sep = "\n")
"""


def simulate(rows: int, *, seed: int = SEED) -> dict[str, np.ndarray]:
    """Rows in practices of equal size; the first 14 practices are treated, from the fifth year on."""
    rng = np.random.default_rng(seed)
    practice = np.arange(rows) * PRACTICES // rows
    year = 2013 + np.arange(rows) % 8
    treated, post = (practice < 14).astype(float), (year >= 2017).astype(float)
    y = rng.normal(0, 0.3, PRACTICES)[practice] + 0.1 * treated * post + rng.normal(size=rows)
    x = np.column_stack([np.ones(rows), treated, post, treated * post])
    weights = rng.uniform(0.5, 2, rows)
    return {"y": y, "x": x, "practice": practice, "year": year, "weights": weights}


def every_coefficient(d: dict[str, np.ndarray], *, weighted: bool = False) -> list[TTest]:
    """Fit, CR2, and a t test of each of the four coefficients."""
    made = fit(d["y"], d["x"], weights=d["weights"] if weighted else None)
    cov = cluster_cov(made, d["practice"], kind="CR2")
    return [cov.test(j) for j in range(d["x"].shape[1])]


def absorbed(d: dict[str, np.ndarray]) -> TTest:
    """The effect with practice and year effects absorbed."""
    made = fit(d["y"], d["x"][:, 3:], absorb=(d["practice"], d["year"]))
    return cluster_cov(made, d["practice"], kind="CR2").test(0)


def timed(work: Callable[[], object], *, repeats: int = 7) -> tuple[float, float]:
    """Median and smallest seconds; the smallest tells what a busy machine hides."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), min(seconds)


def r_numbers(d: dict[str, np.ndarray]) -> list[float] | None:
    """Seconds of coef_test, four standard errors, four degrees of freedom; None without R."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["y", "treated", "post", "did", "practice"])
            columns = (d["y"], d["x"][:, 1], d["x"][:, 2], d["x"][:, 3], d["practice"])
            writer.writerows(zip(*(c.tolist() for c in columns), strict=True))
        run = subprocess.run(
            [rscript, "-e", R_SCRIPT, str(path)], capture_output=True, text=True, check=False
        )
    if run.returncode != 0:
        print("R is present, but clubSandwich is not:", run.stderr.strip().splitlines()[-1])
        return None
    return [float(line) for line in run.stdout.split()]


def compare(timings: Path | None) -> None:
    d = simulate(240 * PRACTICES)
    load = os.getloadavg()[0]
    print(f"{d['y'].size:,} rows, G = {PRACTICES}, medians of 7; load {load:.1f} on {os.cpu_count()} cores")
    ours, fastest = timed(lambda: every_coefficient(d))
    print(
        f"  CR2 + Satterthwaite, four coefficients: {ours:.4f} s, fastest {fastest:.4f} s (must reach 0.1 s)"
    )
    others = {
        "the same, weighted": lambda: every_coefficient(d, weighted=True),
        "practice and year effects absorbed": lambda: absorbed(d),
    }
    for name, work in others.items():
        seconds, fastest = timed(work)
        print(f"  {name}: {seconds:.4f} s, fastest {fastest:.4f} s")
    r = r_numbers(d)
    if r is not None:
        found = every_coefficient(d)
        mine = np.array([t.std_error for t in found] + [t.df for t in found])
        print(f"  R, clubSandwich on the same rows, once: {r[0]:.2f} s, {r[0] / ours:,.0f} times ours")
        print(f"  largest relative difference of SE and df: {np.max(np.abs(mine / np.array(r[1:]) - 1)):.1e}")
    elif timings is not None:
        theirs = json.loads(timings.read_text(encoding="utf-8"))["results"][IN_TIMINGS]["median"]
        print(f"  R, clubSandwich as recorded: {theirs:.2f} s, {theirs / ours:,.0f} times ours")
    else:
        print("  no peer here: install r-cran-clubsandwich, or name R's seconds with --timings FILE")


def growth() -> None:
    print(
        "rows, seconds of fit + CR2 + four t tests (median, fastest), peak memory so far; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for rows in (10**4, 10**5, 10**6, 10**7):
        d = simulate(rows)
        seconds, fastest = timed(lambda d=d: every_coefficient(d), repeats=7 if rows < 10**7 else 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(f"  {rows:>10,} {seconds:8.4f} s {fastest:8.4f} s {peak:6.2f} GiB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", action="store_true", help="time 10^4 to 10^7 rows")
    parser.add_argument("--timings", type=Path, help="R's values/timings.json, used where R is not present")
    asked = parser.parse_args()
    growth() if asked.rows else compare(asked.timings)
