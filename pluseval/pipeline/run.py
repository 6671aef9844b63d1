"""One run: data and plan in, released results out, named by the hash of all that made them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pluseval.data.rivm import RivmPanel
from pluseval.data.study import Study
from pluseval.data.vektis import VektisPanel
from pluseval.errors import NotFoundError, PlanError
from pluseval.pipeline.analyse import Analysis, require_known
from pluseval.pipeline.assets import analyses_module, locate
from pluseval.pipeline.inputs import Inputs, Opened, embedded_study
from pluseval.pipeline.plan import Plan, read_plan
from pluseval.report.disclosure import DisclosureRules, Released, release
from pluseval.report.figures import Marks
from pluseval.report.manifest import Manifest, hash_code
from pluseval.report.phrases import PHRASES
from pluseval.report.read import Results
from pluseval.report.write import intact, point_at, write

Progress = Callable[[str, int, int], None]
# not within a word, a decimal or a year range, and not what a design needs: "needs 2 periods, found 1"
_WHOLE_NUMBER = re.compile(r"(?<![\w.,-])(?<!needs )\d+(?![\w-]|[.,]\d)")
QUESTIONS = ("health_status", "experienced_quality", "costs", "referrals")


def silent(step: str, done: int, total: int) -> None:
    """The progress of a run that nobody watches."""


@dataclass(frozen=True)
class Run:
    """A finished run: where its released results are, and what the gate held back."""

    folder: Path
    inputs: Inputs
    reused: bool = False

    def summary(self) -> str:
        """What the terminal shows: verdicts, what was not evaluated, where the results are."""
        results = Results.open(self.folder)
        label = f" [{results.source_label}]" if results.source_label else ""
        lines = [f"{self.inputs.study}{label}"]
        absent = []
        for key, found in results.findings.items():
            if found["key"] == "not_testable":
                absent.append(key)
            else:
                name = PHRASES["en"]["questions"].get(key, key.replace("_", " "))
                lines.append(f"- {name[:1].upper()}{name[1:]}: {found['sentence_en']}")
        if absent:
            lines.append(f"- Not evaluated (no data, or held back): {', '.join(absent)}.")
        held = f", {results.n_suppressed} held back by the disclosure rules" if results.n_suppressed else ""
        same = "nothing changed; " if self.reused else ""
        lines.append(f"{same}{results.n_estimates} estimates released{held}: {self.folder}")
        lines.append(f"Next: pluseval book --results {self.folder}")
        return "\n".join(lines)


def run(
    data: Path | None = None,
    *,
    plan: Path | Plan | None = None,
    out: Path = Path("results"),
    reuse: bool = False,
    progress: Progress = silent,
) -> Run:
    """Evaluate a study, or the public municipal data, as planned.

    Parameters
    ----------
    data : Path, optional
        A study folder or a folder of Vektis downloads; the embedded synthetic study by default.
    plan : Path or Plan, optional
        The analysis plan; the project's own by default.
    out : Path
        Folder that receives ``<run>/`` and the pointer file ``latest``, each written whole or not at all.
    reuse : bool
        Whether an intact run of the same data, plan, code and versions is used as it is.

    Raises
    ------
    NotFoundError, UnreadableError, ContractError
        If the data cannot be used.
    NotFoundError
        If nothing can be written to ``out``; said before the estimation and not after it.
    PlanError
        If the plan is not valid or names what the library does not have, or an outcome of it is in the
        data and was not reported.
    """
    path = Path(data) if data is not None else embedded_study()
    chosen = plan if isinstance(plan, Plan) else read_plan(plan or locate("analyses") / "plan.toml")
    require_known(chosen)
    out = Path(out)
    _require_writable(out)
    progress("reading the data", 0, 7)
    opened = Opened(path, memo=out)
    inputs = opened.inputs
    manifest = Manifest(
        inputs=inputs.hashes,
        plan=chosen.hash,
        code=hash_code({"analyses": locate("analyses")}),
        seeds=dict(_seeds(chosen.model_dump(mode="json"))),
        study=inputs.study,
        kind=inputs.kind,
    )
    folder = out / manifest.run
    if reuse and intact(folder):
        point_at(out, manifest.run)
        return Run(folder, inputs, reused=True)
    loaded = opened.loaded
    if isinstance(loaded, Study):
        released, findings, marks = _study(loaded, chosen, progress)
    else:
        released, findings, marks = _municipal(*loaded, chosen, progress)
    progress("writing tables and figures", 6, 7)
    folder = write(released, out, manifest=manifest, findings=findings, marks=marks)
    opened.remember()
    progress("done", 7, 7)
    return Run(folder, inputs)


def _require_writable(out: Path) -> None:
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise NotFoundError(
            f"results cannot be written to {out.name}: {there.name} is a file or not open to writing; give "
            "another folder with --out"
        )


def _study(study: Study, plan: Plan, progress: Progress) -> tuple[Released, dict[str, Any], Marks]:
    _require_plan_for(study, plan)
    found = Analysis()
    for done, question in enumerate(QUESTIONS, start=1):
        progress(f"estimating: {question.replace('_', ' ')}", done, 7)
        found += analyses_module(question).analyse(study, plan)
    progress("checking what may leave", 5, 7)
    d = plan.disclosure
    rules = DisclosureRules(
        min_persons=d.min_persons,
        min_practices=d.min_practices,
        max_share_largest=d.max_share_largest,
        max_share_two=d.max_share_two,
        min_df_resid=d.min_df_resid,
    )
    released = release(found.sets, rules, consented=d.practices_consented)
    _require_all_reported(study, plan, released)
    starts = sorted({d.date() for d in study.practices["start_date"].dropna()})
    marks = Marks(tuple(starts), plan.windows.transition, next(iter(plan.windows.covid), None))
    told = replace(found, skipped=_without_small_counts(found.skipped, rules.min_persons))
    return released, _findings(plan, told, _data_facts(study, rules)), marks


def _municipal(
    panel: VektisPanel, health: RivmPanel | None, plan: Plan, progress: Progress
) -> tuple[Released, dict[str, Any], Marks]:
    progress("estimating: municipal costs", 2, 7)
    found = Analysis(tuple(analyses_module("municipal").analyse(panel, health, plan.municipal)))
    progress("checking what may leave", 5, 7)
    released = release(found.sets, DisclosureRules.public_aggregates())
    losses = {"losses": [[x.reason, x.count] for x in panel.losses]}
    return released, _findings(plan, found, losses), Marks(covid=next(iter(plan.windows.covid), None))


def _findings(plan: Plan, found: Analysis, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "plan": plan.model_dump(mode="json"),
        "skipped": [list(s) for s in found.skipped],
        "data": data,
        "facts": found.facts,
    }


def _without_small_counts(skipped: tuple[tuple[str, str], ...], least: int) -> tuple[tuple[str, str], ...]:
    """The reasons without what could be a count of a few persons; years and decimals stay."""

    def told(count: re.Match[str]) -> str:
        return f"fewer than {least}" if 0 < int(count[0]) < least else count[0]

    return tuple((name, _WHOLE_NUMBER.sub(told, reason)) for name, reason in skipped)


def _data_facts(study: Study, rules: DisclosureRules) -> dict[str, Any]:
    """What the book says of the data: the study's frame, and what was dropped or waived, as counts."""
    meta = study.meta
    return {
        "first_year": meta.first_year,
        "last_year": meta.last_year,
        "complete_through": meta.complete_through,
        "tables": sorted(t for t in study.tables),
        "report": [
            {
                "table": f.table,
                "column": f.column,
                "rule": f.rule,
                "severity": f.severity,
                "count": int(f.count) if f.count >= rules.min_persons else f"fewer than {rules.min_persons}",
                "reason": getattr(f, "reason", ""),
            }
            for f in (*study.report.dropped, *study.report.waived)
        ],
    }


def _require_plan_for(study: Study, plan: Plan) -> None:
    """Refuse a plan that was made for another programme, or whose "after" begins before the practices do."""
    if study.meta.programme != plan.programme:
        raise PlanError(
            f"the plan is for programme {plan.programme}, the study is of {study.meta.programme}: their "
            "starts and comparators differ; give the study a plan of its own with --plan"
        )
    late = int((study.practices["entry"] > plan.windows.after[0]).sum())
    if late:
        raise PlanError(
            f"{late} programme practices start after {plan.windows.after[0]}, the first year that the plan "
            "counts as after the start; set windows.before and windows.after of the plan to this study"
        )


def _require_all_reported(study: Study, plan: Plan, released: Released) -> None:
    known = {s.name for s in released.sets} | {s.name for s in released.suppressed}
    absent = [o.key for o in plan.outcomes if study.has(o.table) and f"{o.key}.primary" not in known]
    if absent:
        raise PlanError(
            f"planned outcomes that the study has the data for were not reported: {', '.join(absent)}; "
            "every planned outcome is reported, whatever it shows"
        )


def _seeds(values: Any, where: str = "plan") -> Iterator[tuple[str, int]]:
    """Every seed of the plan by its place in it."""
    if isinstance(values, dict):
        for name, value in values.items():
            if name == "seed" and isinstance(value, int):
                yield where, value
            else:
                yield from _seeds(value, f"{where}.{name}")
    elif isinstance(values, list):
        for index, value in enumerate(values):
            place = value.get("key", index) if isinstance(value, dict) else index
            yield from _seeds(value, f"{where}.{place}")
