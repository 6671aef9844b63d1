"""How long the municipal data take, from downloads to estimates.

python benchmarks/vektis.py FOLDER      (the folder of downloads, for example ../shared/data)
"""

from __future__ import annotations

import argparse
import resource
import time

from analyses.municipal import analyse
from pluseval.data.rivm import is_rivm, load_rivm
from pluseval.data.vektis import load_vektis


def main(folder: str) -> None:
    """Print seconds per step and the peak memory of the process."""
    start = time.perf_counter()
    panel = load_vektis(folder)
    loaded = time.perf_counter()
    rivm = load_rivm(folder) if is_rivm(folder) else None
    health = time.perf_counter()
    sets = analyse(panel, rivm)
    end = time.perf_counter()
    estimates = sum(len(one) for one in sets)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"load_vektis {loaded - start:6.1f} s   {len(panel.years)} years, {len(panel.table):,} cells")
    print(f"load_rivm   {health - loaded:6.1f} s")
    print(f"analyse     {end - health:6.1f} s   {len(sets)} sets, {estimates} estimates")
    print(f"together    {end - start:6.1f} s   peak {peak:,.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="the folder of downloads")
    main(parser.parse_args().folder)
