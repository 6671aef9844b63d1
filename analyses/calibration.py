"""Measure the error rates of the procedures on the study's design: ``make calibrate``.

    python -m analyses.calibration                     the committed table (resumes where it was stopped)
    python -m analyses.calibration --study FOLDER --out FOLDER   on your own design: its list sizes and groups

Blocks of studies are spread over the cores by joblib. With ``dask.distributed`` installed beside the project,
``--backend dask`` hands them to dask instead: to workers of its own on this machine, or with ``--scheduler
ADDRESS`` to those of a cluster, which need the same environment, this project on their path, one thread each
(``dask worker --nthreads 1``) and a ``--blocks`` folder that all of them see under one absolute path.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from joblib import Parallel, cpu_count, delayed, parallel_config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analyses.calibration_blocks import Block, blocks_of, code_hash, missing_blocks, run_block
from analyses.calibration_cells import Cell, cells
from analyses.calibration_design import Design, design_of
from analyses.calibration_table import (
    FOLDER,
    LEAST,
    candidates,
    manifest_of,
    primary_from,
    read_table,
    refusals_of,
    require_complete,
    rows_of,
    write_table,
)
from pluseval.data.load import load_study
from pluseval.errors import DesignError, PlusevalError
from pluseval.outcomes.costs import cost_per_insured_year
from pluseval.outcomes.referrals import referral_percentage

BLOCKS = Path("build") / "calibration"
# Times as many studies where candidates come too close to a limit to be told from it otherwise.
MORE = {"varying_skewed": 5}
SUMMARY = "Measure the error rates of the procedures on the study's design."


def calibrate(
    *,
    studies: int,
    slow_studies: int,
    jobs: int,
    folder: Path,
    blocks: Path,
    design: Design | None = None,
    only: Sequence[str] = (),
    backend: str = "loky",
    scheduler: str | None = None,
    resume: bool = True,
    progress: bool = True,
) -> list[dict]:
    """Measure every cell x procedure, and write the table with its manifest.

    Parameters
    ----------
    studies, slow_studies : int
        Simulated studies of each cell (more in the cells of ``MORE``); the second for the slow
        procedures (half of it for the slowest).
    jobs : int
        Processes.
    folder : Path
        Where ``table.csv`` and ``manifest.json`` go.
    blocks : Path
        Where the results of blocks are kept; those that are there already are not made again.
    design : Design, optional
        A reader's own (:func:`analyses.calibration_design.design_of`); by default the study's two.
    only : sequence of str
        Beginnings of names of cells, to measure some; the table then need not be complete.
    backend : str
        A backend of joblib: ``loky``, or ``dask`` where ``dask.distributed`` is installed.
    scheduler : str, optional
        Address of a running scheduler of dask; by default its workers are started on this machine.
    resume : bool
        Keep the blocks that are there (of the same code and design); otherwise make all of them.

    Raises
    ------
    PlanError
        A cell x procedure is missing, or has fewer studies than the committed table must have.
    DesignError
        No such cell, or the backend ``dask`` where it is not installed.
    """
    every_cell = cells() if design is None else cells((design,))
    chosen = [cell for cell in every_cell if not only or cell.name.startswith(tuple(only))]
    if not chosen:
        raise DesignError(f"no cell's name begins with {', '.join(only)}; see cells()")
    code = code_hash()
    planned = {
        cell.name: blocks_of(cell, studies=studies * _times(cell), slow_studies=slow_studies, code=code)
        for cell in chosen
    }
    every = [block for each in planned.values() for block in each]
    waiting = missing_blocks(every, blocks) if resume else every
    waiting.sort(key=lambda block: block.number)  # every cell has some studies before one has all
    with _workers(backend, jobs, scheduler):
        _run(waiting, blocks.resolve(), jobs=jobs, backend=backend, progress=progress)
    table = [row for cell in chosen for row in rows_of(cell, planned[cell.name], blocks)]
    refused = {cell.name: refusals_of(cell, planned[cell.name], blocks) for cell in chosen}
    least = LEAST if folder.resolve() == FOLDER else dict.fromkeys(LEAST, 1)
    require_complete(table, chosen, refused=refused, least=least)
    write_table(table, manifest_of(table, chosen, code=code, refused=refused), folder)
    return table


def own_design(folder: str | Path) -> Design:
    """The design of a study folder: its list sizes and groups; a conditioned study is refused."""
    study = load_study(folder)
    study.source.refuse_conditioned("Calibration of error rates")
    outcome = cost_per_insured_year if study.has("insured_years") else referral_percentage
    return design_of(outcome(study))


def _times(cell: Cell) -> int:
    return MORE.get(cell.name.split(".")[0], 1)


@contextmanager
def _workers(backend: str, jobs: int, scheduler: str | None) -> Iterator[None]:
    """Dask's client while the blocks run, which joblib finds by itself; nothing for other backends."""
    if backend != "dask":
        if scheduler is not None:
            raise DesignError("--scheduler is an address for --backend dask")
        yield
        return
    try:
        from distributed import Client  # for clusters only: no dependency of the project
    except ImportError:
        raise DesignError("--backend dask needs dask.distributed: pip install 'dask[distributed]'") from None
    local = {} if scheduler else {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    with Client(scheduler, **local):
        yield


def _run(waiting: list[Block], folder: Path, *, jobs: int, backend: str, progress: bool) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # one thread for each process: the products are small, and threads of two processes wait for one another
    threads = {"inner_max_num_threads": 1} if backend == "loky" else {}
    with (
        Progress(*columns, console=Console(stderr=True), disable=not progress) as bar,
        parallel_config(backend=backend, n_jobs=jobs, **threads),
    ):
        task = bar.add_task("blocks of studies", total=len(waiting))
        work = (delayed(run_block)(block, folder) for block in waiting)
        for _ in Parallel(return_as="generator_unordered")(work):
            bar.advance(task)


def _say(table: list[dict]) -> None:
    console = Console()
    for found in candidates(table):
        misses = ", ".join(f"{cell} {100 * size:.1f} %" for cell, size in found.failures) or "none"
        power = f"mean power {100 * found.power:.1f} %"
        console.print(f"{found.name}: {power}; misses: {misses}", highlight=False)
    console.print(f"primary: {primary_from(table)}", highlight=False)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m analyses.calibration", description=SUMMARY)
    parser.add_argument("--studies", type=int, default=10_000, help="simulated studies of each cell")
    parser.add_argument("--slow-studies", type=int, default=2_000, help="the same for the slow procedures")
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="processes; default: all cores")
    parser.add_argument("--backend", default="loky", help="a backend of joblib: loky (default), dask")
    parser.add_argument("--scheduler", help="address of a running dask scheduler, for --backend dask")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the table")
    parser.add_argument("--blocks", type=Path, default=BLOCKS, help="folder of the results of blocks")
    parser.add_argument("--study", type=Path, help="take list sizes and groups from this study folder")
    parser.add_argument("--cells", nargs="*", default=(), help="only cells whose names begin so")
    parser.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="keep the blocks that are there"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    chosen = _arguments(given)
    try:
        if chosen.out.resolve() == FOLDER and (chosen.study or chosen.cells):
            raise DesignError("the committed table holds all of the study's own cells: give another --out")
        calibrate(
            studies=chosen.studies,
            slow_studies=chosen.slow_studies,
            jobs=chosen.jobs,
            folder=chosen.out,
            blocks=chosen.blocks,
            design=own_design(chosen.study) if chosen.study else None,
            only=tuple(chosen.cells),
            backend=chosen.backend,
            scheduler=chosen.scheduler,
            resume=chosen.resume,
        )
    except PlusevalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    _say(read_table(chosen.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
