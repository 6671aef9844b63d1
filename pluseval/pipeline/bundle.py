"""A bundle: the released results of a run, checked once more, in a folder that may leave."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pluseval.errors import DisclosureError, NotFoundError, StaleError
from pluseval.report.differencing import Key, Presence, presences, revealed
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


def make_bundle(run: Path, to: Path, *, released_before: Path | Sequence[Path] | None = None) -> Bundle:
    """Copy a run's released results to a folder that may leave, whole or not at all.

    Parameters
    ----------
    run : Path
        Folder of a run, or of runs (the latest is taken).
    to : Path
        The folder to make. An earlier bundle there is replaced, and always one of those compared with.
    released_before : Path or sequence of Path, optional
        Bundles released earlier: a new one may not reveal a few practices or persons by its difference from
        any of them.

    Raises
    ------
    NotFoundError
        If there is no run in the folder.
    StaleError
        If a file of the run, or of a bundle released before, was changed after it was written.
    DisclosureError
        If the difference with a bundle released before would reveal a few practices or persons.
    """
    run, to = run_folder(run), Path(to)
    require_intact(run)
    results = Results.open(run)
    earlier = [released_before] if isinstance(released_before, (str, Path)) else [*(released_before or ())]
    if (to / "manifest.json").is_file():
        earlier.append(to)
    for past in earlier:
        require_intact(past)
        _refuse_difference(past, run)
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


def _refuse_difference(past: Path, run: Path) -> None:
    """Refuse a release that differs from an earlier one by a few practices or persons in some year."""
    old, new = Results.open(past), Results.open(run)
    rules = _rules(past), _rules(run)
    least = {name: max(one[name] for one in rules) for name in ("min_practices", "min_persons")}
    before = _presences(old)
    close = {
        one.name
        for one in new
        for number in one
        if not number.counts.names_practices
        for key, now in presences(number.measure.key, number.counts.cells)
        for then in before.get(key, ())
        if revealed(now, then, **least)
    }
    if close:
        more = ", ..." if len(close) > 4 else ""
        raise DisclosureError(
            f"{len(close)} sets differ from an earlier release by fewer practices or persons than "
            f"the rules allow ({', '.join(sorted(close)[:4])}{more}): the difference of the releases "
            "would reveal them. Release with the next larger change of the data."
        )


def _presences(results: Results) -> dict[Key, set[Presence]]:
    """Who is behind the numbers of a bundle, by measure, group and year: no name that a plan can change."""
    found: dict[Key, set[Presence]] = {}
    for one in results:
        for number in one:
            if number.counts.names_practices:
                continue
            for key, presence in presences(number.measure.key, number.counts.cells):
                found.setdefault(key, set()).add(presence)
    return found
