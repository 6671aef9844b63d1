"""Twenty whole runs with 1, 2 and 8 threads and rows in another order each time: are the bytes the same?

    python benchmarks/determinism.py [--runs 20] [--data PATH] [--plan FILE]

Every run is a process of its own, with the threads of the engine and of linear algebra set alike, on a copy
of the study whose rows and columns are shuffled. Prints one line a run and the verdict; ends with 1 where a
byte differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pluseval.pipeline.assets import locate

THREADS = (1, 2, 8)
VARIABLES = ("PLUSEVAL_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def shuffled(study: Path, folder: Path, *, seed: int) -> Path:
    """A copy of a study with its rows and columns in another order; seed 0 keeps them as they are."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for file in study.iterdir():
        if file.suffix != ".parquet" or seed == 0:
            (folder / file.name).write_bytes(file.read_bytes())
            continue
        rows = pd.read_parquet(file)
        rows = rows.iloc[rng.permutation(len(rows)), rng.permutation(rows.shape[1])]
        rows.to_parquet(folder / file.name, index=False)
    return folder


def evaluate(study: Path, out: Path, *, threads: int, plan: Path | None) -> Path:
    """The folder of a run, made by a process of its own."""
    environment = {**os.environ, **dict.fromkeys(VARIABLES, str(threads))}
    command = [sys.executable, "-m", "pluseval", "run", "--data", str(study), "--out", str(out)]
    command += ["--plan", str(plan)] if plan else []
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return out / (out / "latest").read_text(encoding="utf-8").strip()


def digest(run: Path) -> str:
    """SHA-256 over the name of a run and the names and bytes of all its files."""
    hashed = hashlib.sha256(run.name.encode())
    for file in sorted(f for f in run.rglob("*") if f.is_file()):
        hashed.update(f"\0{file.relative_to(run).as_posix()}\0".encode() + file.read_bytes())
    return hashed.hexdigest()


def main() -> int:
    """Make the runs and say whether they are one."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--data", type=Path, default=None)
    asked.add_argument("--plan", type=Path, default=None)
    chosen = asked.parse_args()
    study = chosen.data or locate("synthetic_data")
    found: dict[str, int] = {}
    for number in range(chosen.runs):
        threads = THREADS[number % len(THREADS)]
        with tempfile.TemporaryDirectory() as place:
            rows = shuffled(study, Path(place) / "study", seed=number)
            began = time.perf_counter()
            run = evaluate(rows, Path(place) / "results", threads=threads, plan=chosen.plan)
            took = time.perf_counter() - began
            one = digest(run)
        found[one] = found.get(one, 0) + 1
        print(f"run {number + 1:2d}  {threads} threads  {took:5.1f} s  {one[:16]}", flush=True)
    same = len(found) == 1
    print(f"{chosen.runs} runs, different results: {len(found)}: {'SAME' if same else 'DIFFERENT'} BYTES")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
