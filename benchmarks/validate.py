"""How long validation of a large study takes, and how much memory.

    python benchmarks/validate.py [--rows 20000000] [--load] [--threads 2]

A study of the contract is generated as Parquet in a temporary folder (not measured), then validated (or
loaded, with its content hash) in a fresh process whose time and peak memory are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

YEARS = range(2013, 2021)
PRACTICES = 70

MEASURED = """
import json, resource, sys, time
start = time.perf_counter()
from pluseval.data.load import load_study, validate
imported = time.perf_counter()
if sys.argv[2] == "load":
    report = load_study(sys.argv[1]).report
else:
    report = validate(sys.argv[1])
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"ok": report.ok, "import_s": imported - start, "seconds": done - imported, "peak_mib": peak,
                  "failures": [str(f) for f in report.failures]}))
"""


def generate(folder: Path, rows: int) -> None:
    """A valid study with ``rows`` insured-years and a third as many referrals."""
    con = duckdb.connect(config={"memory_limit": "2GiB", "preserve_insertion_order": "false"})
    con.execute(f"SET temp_directory = '{folder / 'spill'}'")
    years, first = len(YEARS), YEARS[0]
    practices = (
        f"SELECT printf('P%03d', i) AS practice_id, 'OZL' AS programme, i < 14 AS treated, "
        f"CASE WHEN i < 14 THEN DATE '2016-06-01' END AS start_date, 'Parkstad' AS region, "
        f"NULL::VARCHAR AS learning_group, NULL::INT AS batch, NULL::DATE AS end_date "
        f"FROM range({PRACTICES}) t(i)"
    )
    sizes = (
        f"SELECT printf('P%03d', i // {years}) AS practice_id, {first} + i % {years} AS year, "
        f"3000 AS list_size FROM range({PRACTICES * years}) t(i)"
    )
    insured = (
        f"SELECT i // {years} AS person_id, {first} + i % {years} AS year, "
        f"printf('P%03d', (i // {years}) % {PRACTICES}) AS practice_id, "
        f"1930 + (i // {years}) % 80 AS birth_year, "
        f"CASE WHEN (i // {years}) % 2 = 0 THEN 'M' ELSE 'F' END AS sex, 365 AS insured_days, "
        f"(hash(i) % 300000 / 100)::DECIMAL(14, 2) AS cost_msz_eur, "
        f"(3000 + hash(i) % 300000 / 100)::DECIMAL(14, 2) AS cost_total_eur "
        # In no order of persons or years, as the worst case for keys.
        f"FROM (SELECT (r * 1000003) % {rows} AS i FROM range({rows}) t(r))"
    )
    referrals = (
        f"SELECT i % {max(rows // years, 1)} AS person_id, printf('P%03d', i % {PRACTICES}) AS practice_id, "
        f"DATE '{first}-01-01' + (hash(i) % {365 * years})::INT AS referral_date, 'cardiology' AS specialty, "
        f"'hospital' AS destination FROM range({rows // 3}) t(i)"
    )
    tables = {
        "practices": practices,
        "practice_years": sizes,
        "insured_years": insured,
        "referrals": referrals,
    }
    for name, sql in tables.items():
        con.execute(f"COPY ({sql}) TO '{folder / name}.parquet' (FORMAT parquet)")
    (folder / "study.toml").write_text(
        f'name = "benchmark"\nkind = "planted"\nfirst_year = {first}\nlast_year = {YEARS[-1]}\n'
        f"complete_through = {YEARS[-1]}\n",
        encoding="utf-8",
    )


def measure(folder: Path, *, task: str, threads: int) -> dict:
    """Seconds and peak MiB of one task on a folder, in a process of its own."""
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "PLUSEVAL_THREADS": str(threads)}
    command = [sys.executable, "-c", MEASURED, str(folder), task]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--load", action="store_true", help="load the study (validation and content hash)")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), chosen.rows)
        task = "load" if chosen.load else "validate"
        found = measure(Path(folder), task=task, threads=chosen.threads)
    verdict = "valid" if found["ok"] else f"not valid: {found['failures']}"
    print(
        f"{task} {chosen.rows:,} insured-years, {chosen.threads} threads: {found['seconds']:.1f} s, "
        f"peak {found['peak_mib']:.0f} MiB, import {found['import_s']:.1f} s; {verdict}"
    )


if __name__ == "__main__":
    main()
