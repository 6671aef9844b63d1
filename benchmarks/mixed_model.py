"""Time the linear mixed model, beside lme4 and lmerTest on the same rows where R is present.

    python benchmarks/mixed_model.py            # 50,000 rows: three models, medians, ratios to R
    python benchmarks/mixed_model.py --rows     # growth from 10,000 to 10,000,000 rows

Data as in R's timing script: 200 practices, patients seen in four waves, one row each; ``near the
boundary`` has a practice-wave variance of zero, ``away from it`` one of 0.09.
"""

from __future__ import annotations

import argparse
import csv
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import kenward_roger, satterthwaite

SEED = 1001
R_SCRIPT = r"""
suppressMessages({library(lme4); library(lmerTest)})
d <- read.csv(commandArgs(TRUE)[1])
once <- function(e) system.time(e)[["elapsed"]]
half <- function(f) median(replicate(3, once(f())))
d$pw <- factor(paste(d$practice, d$wave))
plain <- y ~ treated + factor(wave) + did + age + (1|practice) + (1|patient)
shock <- update(plain, . ~ . + (1|pw))
cat(half(function() lme4::lmer(plain, d)), "\n")
cat(once(coef(summary(lmerTest::lmer(plain, d)))), "\n")
cat(once(coef(summary(lmerTest::lmer(shock, d)))), "\n")
"""


def simulate(patients: int, *, practices: int = 200, shock_sd: float = 0.0, seed: int = SEED) -> dict:
    """Rows of patients in four waves; 40 of 200 practices are treated from wave 2 on."""
    rng = np.random.default_rng(seed)
    home = rng.integers(practices, size=patients)
    wave = np.tile(np.arange(4), patients)
    patient = np.repeat(np.arange(patients), 4)
    practice = home[patient]
    treated = (practice < practices // 5).astype(float)
    did = treated * (wave >= 2)
    age = np.repeat(np.round(rng.normal(55, 17, patients)), 4)
    y = 5 + 0.3 * did + 0.05 * wave + 0.01 * age
    y += rng.normal(0, 0.5, practices)[practice] + rng.normal(0, 1, patients)[patient]
    y += shock_sd * rng.normal(0, 1, (practices, 4))[practice, wave] + rng.normal(0, 1, y.size)
    x = np.column_stack([np.ones(y.size), treated, wave == 1, wave == 2, wave == 3, did, age]).astype(float)
    return {"y": np.round(y, 6), "x": x, "practice": practice, "patient": patient, "wave": wave}


def practice_and_patient(d: dict):
    model = mixed_model(d["y"], d["x"], practice=d["practice"], patient=d["patient"])
    return model, satterthwaite(model)


def with_practice_wave(d: dict):
    model = mixed_model(d["y"], d["x"], practice=d["practice"], period=d["wave"], patient=d["patient"])
    return model, kenward_roger(model)


def median_seconds(work: Callable[[], object], *, repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def r_seconds(d: dict) -> list[float] | None:
    """Seconds of lmer, of lmerTest, and of lmerTest with practice x wave; None without R."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["y", "treated", "did", "age", "practice", "patient", "wave"])
            columns = (d["x"][:, 1], d["x"][:, 5], d["x"][:, 6], d["practice"], d["patient"], d["wave"])
            writer.writerows(zip(d["y"].tolist(), *(c.tolist() for c in columns), strict=True))
        run = subprocess.run(
            [rscript, "-e", R_SCRIPT, str(path)], capture_output=True, text=True, check=False
        )
    if run.returncode != 0:
        print("R is present, but lme4 or lmerTest is not:", run.stderr.strip().splitlines()[-1])
        return None
    return [float(line) for line in run.stdout.split()]


def compare() -> None:
    plain, shocked = simulate(12_500), simulate(12_500, shock_sd=0.3)
    rows = [
        ("practice + patient, REML, Satterthwaite", lambda: practice_and_patient(plain), 0.1),
        ("practice + practice x wave + patient, Kenward-Roger, near the boundary",
         lambda: with_practice_wave(plain), 0.5),
        ("the same, away from it", lambda: with_practice_wave(shocked), 0.5),
    ]  # fmt: skip
    print("50,000 rows, medians of 7")
    seconds = []
    for name, work, target in rows:
        seconds.append(median_seconds(work))
        print(f"  {name}: {seconds[-1]:.3f} s (must reach {target} s)")
    print("  effects estimated as zero near the boundary:", with_practice_wave(plain)[0].boundary or "none")
    r = r_seconds(plain)
    if r is None:
        print("R not present")
        return
    print(f"  R: lmer {r[0]:.2f} s, with Satterthwaite {r[1]:.2f} s: {r[1] / seconds[0]:.0f} times ours")
    print(
        f"  R: with practice x wave and Satterthwaite {r[2]:.2f} s: {r[2] / seconds[1]:.0f} "
        "times ours (with KR)"
    )


def growth() -> None:
    print("rows, seconds with practice x wave and Kenward-Roger, peak memory so far")
    for patients in (2_500, 25_000, 250_000, 2_500_000):
        d = simulate(patients, shock_sd=0.3)
        seconds = median_seconds(lambda d=d: with_practice_wave(d), repeats=3 if patients < 10**6 else 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(f"  {4 * patients:>10,} {seconds:8.3f} s {peak:6.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", action="store_true", help="time 10^4 to 10^7 rows")
    growth() if parser.parse_args().rows else compare()
