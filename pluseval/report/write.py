"""Results on disk, whole or not at all: ``folder/<run>/`` beside a pointer to the latest whole run."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pluseval.errors import DisclosureError
from pluseval.report.answer import PARTS, answer
from pluseval.report.canvas import Marks
from pluseval.report.catalogue import QUESTIONS
from pluseval.report.disclosure import Released, require_released
from pluseval.report.figures import emit_figure
from pluseval.report.manifest import Manifest, hash_bytes
from pluseval.report.read import POINTER
from pluseval.report.record import plain, results_record
from pluseval.report.tables import emit_table
from pluseval.report.words import Question, find, planned_questions

ASIDE = ".old"
# The pictures of the Dutch summary; the others are for the English pages alone.
DUTCH_TOO = ("trajectory",)
_HALF_MADE = ".making-"
_ABANDONED_SECONDS = 24 * 3600


def write(
    released: Released,
    folder: str | Path,
    *,
    manifest: Manifest | None = None,
    questions: Iterable[Question] | None = None,
    findings: Mapping[str, Any] | None = None,
    marks: Marks | None = None,
    parts: tuple[str, ...] = PARTS,
) -> Path:
    """Write what was released to ``folder/<run>/`` and point ``folder/latest`` at it.

    Everything is made in a folder beside, then moved into place in one step; a run that is killed leaves the
    earlier results whole. The same results give the same bytes; a rerun whose files are already there
    leaves them untouched.

    Parameters
    ----------
    released : Released
        What passed ``release``.
    folder : path
        Where runs are kept.
    manifest : Manifest, optional
        What made the results; by default the contents of their sources and the code of this package.
    questions : iterable of Question, optional
        What is asked of the results; verdicts and sentences are made here from the released numbers, so no
        number can pass beside the gate. By default what ``findings["plan"]["outcomes"]`` ask, and the
        municipal questions where their sets were released.
    findings : mapping, optional
        Further facts for pages: the plan, what was skipped, counts of the data report. Plain values only;
        results are refused here.
    marks : Marks, optional
        What the figures mark in time. By default the transition and COVID years of
        ``findings["plan"]["windows"]`` and the start days in ``findings["data"]["starts"]`` (ISO dates).
    parts : tuple of str
        The questions of the conjunctive hypothesis.

    Returns
    -------
    Path
        The folder of the run: ``results.json``, ``findings.json``, ``manifest.json``, ``suppressed.csv``,
        ``tables/``, ``figures/``.

    Raises
    ------
    DisclosureError
        If ``released`` is anything but what ``release`` returned, or results stand among the findings.
    """
    released = require_released(released, by="write")
    facts = _facts(findings or {})
    questions = _default_questions(released, facts) if questions is None else tuple(questions)
    files = _files(released, questions, facts, marks or _default_marks(facts), parts)
    manifest = manifest or _default_manifest(released, files["results.json"])
    manifest = manifest.with_outputs({name: hash_bytes(content) for name, content in files.items()})
    files["manifest.json"] = _json(manifest.to_dict())
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    target = place / manifest.run
    making = place / f"{_HALF_MADE}{uuid.uuid4().hex}"
    try:
        _write_files(files, making)
        _move_into_place(making, target, files)
        point_at(place, manifest.run)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def intact(folder: str | Path) -> bool:
    """Whether a run's folder is there with every file that its manifest names, each as it was written."""
    place = Path(folder)
    try:
        outputs = json.loads((place / "manifest.json").read_text(encoding="utf-8"))["outputs"]
    except (OSError, ValueError, KeyError):
        return False
    there = {f.relative_to(place).as_posix() for f in place.rglob("*") if f.is_file()} - {"manifest.json"}
    return there == set(outputs) and all(
        hash_bytes((place / name).read_bytes()) == value for name, value in outputs.items()
    )


def _facts(findings: Mapping[str, Any]) -> dict[str, Any]:
    """Findings as plain values; a result among them would pass beside the gate."""
    try:
        return json.loads(json.dumps(findings, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise DisclosureError(
            f"write: findings hold plain values only ({error}); results go through release(...)"
        ) from None


def _default_questions(released: Released, facts: Mapping[str, Any]) -> tuple[Question, ...]:
    plan = facts.get("plan", {})
    municipal = tuple(
        Question(key, name, "superiority")
        for key, name in QUESTIONS.items()
        if name.startswith("municipal.") and name in released
    )
    # A study's own outcomes are asked for even where nothing was released: they then read "not testable".
    if municipal:
        return municipal
    return planned_questions(plan.get("outcomes", ()), alpha=plan.get("alpha", 0.05))


def _default_marks(facts: Mapping[str, Any]) -> Marks:
    windows = facts.get("plan", {}).get("windows", {})
    covid = windows.get("covid", [Marks().covid])
    return Marks(
        starts=tuple(date.fromisoformat(day) for day in facts.get("data", {}).get("starts", ())),
        transition=tuple(windows.get("transition", ())),
        covid=covid[0] if covid else None,
    )


def _default_manifest(released: Released, results: bytes) -> Manifest:
    """Inputs by the contents of the sources; where a frame was made by hand, by the results themselves."""
    sources = {e.source.name: e.source for one in released for e in one}
    inputs = {f"source: {n}": s.content_hash for n, s in sorted(sources.items()) if s.content_hash}
    if len(inputs) < len(sources) or not sources:
        inputs["results without a hashed source"] = hash_bytes(results)
    # A source's name is free text: a slash in it is no place.
    inputs = {name.replace("\\", "-").replace("/", "-"): value for name, value in inputs.items()}
    return Manifest(
        inputs=inputs,
        study="; ".join(sorted(sources)),
        kind="; ".join(sorted({s.kind for s in sources.values()})),
    )


def _files(
    released: Released,
    questions: tuple[Question, ...],
    facts: Mapping[str, Any],
    marks: Marks,
    parts: tuple[str, ...],
) -> dict[str, bytes]:
    """Every file of a run but the manifest, by relative name."""
    verdicts = find(released, questions)
    told = {
        "verdicts": {key: plain(found.to_dict()) for key, found in verdicts.items()},
        "answer": answer(verdicts, parts=parts),
        "facts": facts,
    }
    files = {
        "results.json": _json(results_record(released)),
        "findings.json": _json(told),
        "suppressed.csv": _suppressed(released),
    }
    for one in released:
        written = emit_table(one)
        for ending, text in (("csv", written.csv), ("html", written.html), ("md", written.md)):
            files[f"tables/{one.name}.{ending}"] = text.encode()
        if one.display == "table":
            continue
        picture = emit_figure(one, marks=marks)
        for ending, text in (("svg", picture.svg), ("csv", picture.csv), ("html", picture.html)):
            files[f"figures/{one.name}.{ending}"] = text.encode()
        if one.display in DUTCH_TOO:
            files[f"figures/{one.name}.nl.html"] = emit_figure(one, lang="nl", marks=marks).html.encode()
    return files


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _suppressed(released: Released) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["name", "term", "rule"])
    rows.writerows([s.name, s.term, s.rule] for s in released.suppressed)
    return text.getvalue().encode()


def _write_files(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def _same(folder: Path, files: Mapping[str, bytes]) -> bool:
    there = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    return there == set(files) and all((folder / n).read_bytes() == c for n, c in files.items())


def _move_into_place(making: Path, target: Path, files: Mapping[str, bytes]) -> None:
    aside = target.with_name(target.name + ASIDE)
    if aside.exists() and not target.exists():
        os.replace(aside, target)  # an earlier write was killed between its two renames
    if target.exists():
        if _same(target, files):
            return
        # Same name, other bytes: someone changed the files. The reader knows where to look in between.
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(target, aside)
    os.replace(making, target)
    shutil.rmtree(aside, ignore_errors=True)


def point_at(place: Path, run: str) -> None:
    """Let the pointer file of a folder of runs name a run."""
    making = place / f"{_HALF_MADE}{uuid.uuid4().hex}"
    try:
        making.write_text(run + "\n", encoding="utf-8", newline="\n")
        os.replace(making, place / POINTER)
    finally:
        making.unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    """Remove what runs that were killed left behind, once it is surely no run that still works."""
    for left in place.glob(f"{_HALF_MADE}*"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # its own run has just finished
