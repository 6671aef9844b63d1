"""How long a synthetic study takes, how much memory, and how large its files are.

    python benchmarks/synthesize.py [--patients 250000] [--kind planted] [--seed 1]

The study is made in a fresh process in a temporary folder, and removed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

MEASURED = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from pluseval.data.synthetic import Parameters, synthesize
imported = time.perf_counter()
folder, patients, kind, seed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
synthesize(folder / "study", seed=seed, kind=kind, parameters=Parameters.sized(patients=patients))
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import pyarrow.parquet as pq
files = list((folder / "study").iterdir())
print(json.dumps({
    "insured_years": pq.read_metadata(folder / "study" / "insured_years.parquet").num_rows,
    "referrals": pq.read_metadata(folder / "study" / "referrals.parquet").num_rows,
    "import_s": round(imported - start, 2), "seconds": round(done - imported, 2), "peak_mib": round(peak),
    "megabytes": round(sum(f.stat().st_size for f in files) / 1e6, 2)}))
"""


def measure(*, patients: int, kind: str, seed: int) -> dict[str, float]:
    """Rows, seconds, peak MiB and MB of one study."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", MEASURED, folder, str(patients), kind, str(seed)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=250_000)
    parser.add_argument("--kind", choices=("planted", "conditioned"), default="planted")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for key, value in measure(patients=options.patients, kind=options.kind, seed=options.seed).items():
        print(f"{key:14} {value:,}")
