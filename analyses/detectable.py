"""Measure how small an effect the study's design would find, for every outcome of the plan.

    python -m analyses.detectable                              the committed table (resumes where stopped)
    python -m analyses.detectable --study FOLDER --out FOLDER  on your own study: its comparison practices

Planted studies are made in which 70 practices, whose list sizes vary as those of the 14 + 56 practices of the
study do, take no part in the programme: 14 of them, of the programme practices' sizes, are called programme
practices again and again, and the plan's own contrast and procedure are run. No planted effect is in them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed, parallel_config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analyses.detectable_table import FOLDER, asked_of, combine, manifest_of, write_table
from pluseval.data.load import load_study
from pluseval.data.study import Study
from pluseval.data.synthetic import Parameters, synthesize
from pluseval.data.synthetic.parameters import Surveys
from pluseval.data.synthetic.programmes import OZL
from pluseval.errors import DesignError, PlusevalError
from pluseval.estimate.inference import ClusterRobust, Inference
from pluseval.estimate.power import DetectableEffect
from pluseval.pipeline.contrast import frame_of
from pluseval.pipeline.detect import detectable_effect
from pluseval.pipeline.plan import Detectable, Plan, read_plan
from pluseval.report.manifest import hash_code, hash_json

PLAN = Path(__file__).resolve().parent / "plan.toml"
BLOCKS = Path("build") / "detectable"
SEED = 20160630
SUMMARY = "Measure how small an effect the study's design would find, for every outcome of the plan."
# Beside the plan's own procedure, for comparison.
OTHERS: dict[str, Inference] = {"cr2_bm": ClusterRobust("CR2")}
CODE = (
    "analyses/detectable.py", "pluseval/pipeline/detect.py", "pluseval/estimate/power.py",
    "pluseval/numerics/invert.py", "pluseval/numerics/permute.py",
    "pluseval/data/synthetic/parameters.py", "pluseval/data/synthetic/surveys.py",
    "pluseval/data/synthetic/costs.py", "pluseval/data/synthetic/referrals.py",
)  # fmt: skip


def parameters() -> Parameters:
    """Planted studies with as many practices outside the programme as the study has in all.

    Their list sizes have the mean and the spread of both groups of the study together, so that 14 of them of
    the programme practices' sizes leave 56 of the comparison practices' sizes. All of them are sent as many
    questionnaires as programme practices are.
    """
    n, m = OZL.treated, OZL.comparators
    mean = OZL.patients / (n + m)
    squares = (
        n * OZL.mean_list**2 * (1 + OZL.list_cv**2)
        + m * OZL.comparator_mean_list**2 * (1 + OZL.comparator_list_cv**2)
    ) / (n + m)
    outside = replace(
        OZL,
        comparators=n + m,
        comparator_mean_list=mean,
        comparator_list_cv=float(np.sqrt(squares / mean**2 - 1)),
    )
    surveys = Surveys()
    surveys = replace(surveys, comparators=n + m, comparators_sent=surveys.sent)
    return Parameters(programmes=(outside,), surveys=surveys)


@dataclass(frozen=True)
class Job:
    """One planted study: the unit of work, of seeds and of resuming."""

    number: int
    draws: int
    plan: Plan
    keys: tuple[str, ...]
    code: str

    @property
    def seed(self) -> int:
        """Of the study."""
        return int(np.random.SeedSequence([SEED, self.number]).generate_state(1)[0])

    @property
    def file(self) -> str:
        """Name of the study's file; it changes with the code, the parameters and the plan."""
        what = [self.draws, self.keys, self.code, SEED, asked_of(self.plan), parameters().content_hash]
        return f"{self.number:04d}-{hash_json(what)[:12]}.json"


def measure(
    *,
    studies: int,
    draws: int,
    jobs: int,
    folder: Path,
    blocks: Path,
    study: Path | None = None,
    plan: Plan | None = None,
    keys: Sequence[str] = (),
    resume: bool = True,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Measure every outcome, and write the table with its manifest.

    Parameters
    ----------
    studies, draws : int
        Planted studies, and placebo assignments of each.
    jobs : int
        Processes.
    folder : Path
        Where ``detectable.csv`` and ``detectable.json`` go.
    blocks : Path
        Where the results of studies are kept; those that are there already are not made again.
    study : Path, optional
        A study folder to use instead of planted ones; a conditioned one is refused.
    plan : Plan, optional
        The project's own by default.
    keys : sequence of str
        Outcomes to measure; all of the plan by default.

    Raises
    ------
    ConditionedError
        The study was drawn to return published figures.
    DesignError
        Too few studies or draws, or a study without practices that took no part.
    """
    plan = plan or read_plan(PLAN)
    chosen = tuple(keys) or tuple(outcome.key for outcome in plan.outcomes)
    if studies < 1:
        raise DesignError(f"studies is {studies}; at least 1 planted study")
    code = code_hash()
    if study is not None:
        opened = load_study(study)
        opened.source.refuse_conditioned("A minimal detectable effect")
        found = [of_study(opened, plan, draws=draws, seed=SEED, keys=chosen)]
    else:
        work = [Job(number, draws, plan, chosen, code) for number in range(studies)]
        _run([job for job in work if not (resume and (blocks / job.file).is_file())], blocks, jobs, progress)
        found = [json.loads((blocks / job.file).read_text(encoding="utf-8")) for job in work]
    table = combine(found)
    made = manifest_of(
        plan, code=code, seed=SEED, studies=len(found), draws=draws, own=study is not None,
        parameters="" if study is not None else parameters().content_hash,
    )  # fmt: skip
    write_table(table, made, folder)
    return table


def run_job(job: Job, blocks: Path) -> str:
    """Make a planted study, measure it and write its file; nothing is left where it is interrupted."""
    with tempfile.TemporaryDirectory(prefix="pluseval-") as scratch:
        place = synthesize(Path(scratch) / "study", seed=job.seed, kind="planted", parameters=parameters())
        needed = {job.plan.outcome(key).table for key in job.keys}
        for table in {outcome.table for outcome in job.plan.outcomes} - needed:
            (place / f"{table}.parquet").unlink()
        found = of_study(load_study(place), job.plan, draws=job.draws, seed=job.seed, keys=job.keys)
    file = blocks / job.file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
    os.replace(part, file)
    return job.file


def of_study(study: Study, plan: Plan, *, draws: int, seed: int, keys: Sequence[str]) -> list[dict[str, Any]]:
    """One row per outcome, reading and procedure of one study."""
    rows = []
    for key in keys:
        outcome = plan.outcome(key)
        if not study.has(outcome.table):
            continue
        frame = frame_of(study, outcome, plan)
        own = int(np.random.SeedSequence([seed, zlib.crc32(key.encode())]).generate_state(1)[0])
        chosen = Detectable(draws=draws, seed=own, using="comparison")
        readings = {"primary": None, "published": outcome.published}
        for name, reading in readings.items():
            if name == "published" and reading is None:
                continue
            for procedure, inference in {"plan": None, **OTHERS}.items():
                found = detectable_effect(frame, outcome, plan, chosen, reading=reading, inference=inference)
                rows.append(_row(key, name, procedure, outcome.design, outcome.margin, found))
    return rows


def code_hash() -> str:
    """Hash of the code that decides these numbers."""
    found = hash_code({"analyses": Path(__file__).resolve().parent})
    return hash_json({name: found[name] for name in CODE})


def _row(
    key: str, reading: str, procedure: str, design: str, margin: float | None, found: DetectableEffect
) -> dict[str, Any]:
    measure = found.measure
    return {
        "outcome": key,
        "reading": reading,
        "procedure": procedure,
        "label": measure.label,
        "label_nl": measure.label_nl,
        "unit": measure.difference_unit,
        "unit_nl": measure.difference_unit_nl,
        "decimals": measure.decimals,
        "design": design,
        "contrast": found.windows,
        "inference": found.inference,
        "power": found.power,
        "alpha": found.alpha,
        "effect": found.effect,
        "draw_mcse": found.effect_mcse,
        "mean_level": found.mean_level,
        "margin": margin,
        "size": found.size,
        "programme": found.programme,
        "comparison": found.comparison,
        "draws": found.draws,
    }


def _run(waiting: list[Job], blocks: Path, jobs: int, progress: bool) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True), disable=not progress) as bar,
        parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1),
    ):
        task = bar.add_task("planted studies", total=len(waiting))
        for _ in Parallel(return_as="generator_unordered")(delayed(run_job)(job, blocks) for job in waiting):
            bar.advance(task)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m analyses.detectable", description=SUMMARY)
    parser.add_argument("--studies", type=int, default=40, help="planted studies")
    parser.add_argument("--draws", type=int, default=100, help="placebo assignments of each study")
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="processes; default: all cores")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the table")
    parser.add_argument("--blocks", type=Path, default=BLOCKS, help="folder of the results of studies")
    parser.add_argument("--study", type=Path, help="use the comparison practices of this study folder")
    parser.add_argument("--outcomes", nargs="*", default=(), help="only these outcomes of the plan")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the studies that are there",
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    chosen = _arguments(given)
    try:
        if chosen.out.resolve() == FOLDER and (chosen.study or chosen.outcomes):
            raise DesignError("the committed table holds all outcomes on planted studies: give another --out")
        table = measure(
            studies=chosen.studies,
            draws=chosen.draws,
            jobs=chosen.jobs,
            folder=chosen.out,
            blocks=chosen.blocks,
            study=chosen.study,
            keys=tuple(chosen.outcomes),
            resume=chosen.resume,
        )
    except PlusevalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    console = Console()
    for row in table:
        margin = "" if row["margin"] is None else f"; margin {row['margin']:g}"
        console.print(
            f"{row['outcome']} {row['reading']} {row['procedure']}: {row['effect']:.4g} ({row['mcse']:.2g}) "
            f"{row['unit']}, {100 * row['relative']:.1f} %{margin}",
            highlight=False,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
