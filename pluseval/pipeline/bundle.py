"""A bundle: the released results of a run, checked once more, in a folder that may leave."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pluseval.errors import DisclosureError, NotFoundError, StaleError
from pluseval.report.manifest import hash_bytes
from pluseval.report.read import Results, run_folder
from pluseval.report.write import intact

_README = """What this bundle is
===================

Released results of pluseval, run {run}: {study}.
{label}
tables/          every number, as csv, html and md
figures/         every figure (svg) with its data (csv)
results.json     the same numbers for machines; the evaluation book is built from it
findings.json    the plan, what was skipped and what the data contract counted
suppressed.csv   what was held back, and by which rule
manifest.json    hashes of data, plan, code and outputs, versions and seeds

`pluseval book --results <this folder>` builds the evaluation book from it; no data are needed.
"""


@dataclass(frozen=True)
class Bundle:
    """A folder that may leave."""

    folder: Path
    estimates: int
    suppressed: int

    def summary(self) -> str:
        """One paragraph for the terminal."""
        return (
            f"{self.folder} may leave: {self.estimates} estimates; {self.suppressed} held back "
            "(suppressed.csv names them and the rule)"
        )


def make_bundle(run: Path, to: Path, *, released_before: Path | None = None) -> Bundle:
    """Copy a run's released results to a folder that may leave, whole or not at all.

    Parameters
    ----------
    run : Path
        Folder of a run, or of runs (the latest is taken).
    to : Path
        The folder to make; an earlier bundle there is replaced.
    released_before : Path, optional
        The bundle released last: a new one may not reveal a few practices or persons by its difference.

    Raises
    ------
    NotFoundError
        If there is no run in the folder.
    StaleError
        If a file of the run, or of the bundle released before, was changed after it was written.
    DisclosureError
        If the difference with the bundle released before would reveal a few practices or persons.
    """
    run, to = run_folder(run), Path(to)
    require_intact(run)
    results = Results.open(run)
    if released_before is not None:
        require_intact(released_before)
        _refuse_difference(Results.open(released_before), results, least=_rules(run))
    to.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        shutil.copytree(run, part, dirs_exist_ok=True)
        label = f"{results.source_label}.\n" if results.source_label else ""
        text = _README.format(run=results.manifest["run"], study=results.manifest["study"], label=label)
        _add(part, "README.txt", text.encode())
        if to.is_dir():
            old = Path(tempfile.mkdtemp(prefix=f".{to.name}.old.", dir=to.parent))
            os.replace(to, old / "old")
            os.replace(part, to)
            shutil.rmtree(old)
        else:
            os.replace(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    os.chmod(to, 0o755)
    return Bundle(to, results.n_estimates, results.n_suppressed)


def require_intact(run: Path) -> None:
    """Stop where a folder holds no run, or one that was changed after it was written."""
    if not (Path(run) / "manifest.json").is_file():
        raise NotFoundError(f"{Path(run).name!r} is not the folder of a run; `pluseval run` prints its place")
    if not intact(Path(run)):
        raise StaleError(
            f"files of the run {Path(run).name!r} were changed after it was written; run the evaluation again"
        )


def _add(folder: Path, name: str, content: bytes) -> None:
    """Add a file to a written run, and its hash to the manifest: what no manifest names is no part of it."""
    (folder / name).write_bytes(content)
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["outputs"] = dict(sorted({**manifest["outputs"], name: hash_bytes(content)}.items()))
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8", newline="\n")


def _rules(run: Path) -> dict[str, float]:
    """The rules that the results were released by: those of the plan, or none for public aggregates."""
    return json.loads((run / "results.json").read_text(encoding="utf-8"))["rules"]


def _refuse_difference(old: Results, new: Results, *, least: dict[str, float]) -> None:
    """Refuse a release that differs from the last one by a few practices or persons in some cell."""
    before = _cells(old)
    close = []
    for key, (persons, practices) in _cells(new).items():
        if key not in before:
            continue
        past_persons, past_practices = before[key]
        few_practices = 0 < abs(practices - past_practices) < least["min_practices"]
        few_persons = (
            persons is not None
            and past_persons is not None
            and 0 < abs(persons - past_persons) < least["min_persons"]
        )
        if few_practices or few_persons:
            close.append(key[0])
    if close:
        raise DisclosureError(
            f"{len(set(close))} sets differ from the last release by fewer practices or persons than "
            f"the rules allow ({', '.join(sorted(set(close))[:4])}, ...): the difference of the releases "
            "would reveal them. Release with the next larger change of the data."
        )


def _cells(results: Results) -> dict[tuple[str, str, str, str], tuple[int | None, int]]:
    """Persons and practices by set, term, group and period."""
    return {
        (one.name, number.term, cell.group, cell.period): (cell.persons, cell.practices)
        for one in results
        for number in one
        for cell in number.counts.cells
    }
