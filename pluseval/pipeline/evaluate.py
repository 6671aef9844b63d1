"""What CI does with new data: validate, run, release, compare, build; nothing stale or disclosive leaves."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pluseval.errors import DisclosureError, NotFoundError
from pluseval.pipeline.book import build_book
from pluseval.pipeline.bundle import make_bundle
from pluseval.pipeline.run import Progress, run, silent
from pluseval.report.compare import compare
from pluseval.report.read import Results


@dataclass(frozen=True)
class Evaluation:
    """What may be published: the bundles, what changed, and the book."""

    folder: Path
    changes: str

    def summary(self) -> str:
        """One paragraph for the terminal."""
        return f"{self.changes}\n\n{self.folder} may be published: bundle/, changes.md, book/"


def evaluate(
    data: Sequence[Path] | None = None,
    *,
    plan: Path | None = None,
    released: Path | None = None,
    first: bool = False,
    out: Path = Path("public"),
    progress: Progress = silent,
) -> Evaluation:
    """Run the whole sequence; ``out`` is replaced only when every step has passed.

    Parameters
    ----------
    data : sequence of Path, optional
        Folders to evaluate; the embedded synthetic study by default.
    plan : Path, optional
        The analysis plan.
    released : Path, optional
        The last publication, its folder ``bundle``, or one bundle, to compare with: each study with the
        bundle of its own name. What stands at ``out`` by default.
    first : bool
        Whether a study that the last publication does not name is published for the first time. A study
        under another name is not: its difference from what is out would go unseen.
    out : Path
        Receives ``bundle/<study>/``, ``changes.md`` and ``book/``.

    Raises
    ------
    ContractError, UnreadableError, NotFoundError
        If the data are not valid, or the last publication holds no bundle (of a study, unless ``first``).
    DisclosureError
        If a planned primary result is held back by the rules, or differs from the last release by a few
        practices or persons.
    StaleError
        If results, book or the last bundles do not match what made them.
    """
    out = Path(out)
    standing = out if released is None and any(out.glob("bundle/*/manifest.json")) else None
    last = _last_bundles(released or standing)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        bundles, changes = [], ["# What changed"]
        for number, path in enumerate(data or [None]):
            done = run(path, plan=plan, out=part / "results", progress=progress)
            _refuse_held_back(done.folder)
            name = f"{number}-{done.inputs.what}"
            before = last.get(done.inputs.study)
            if last and before is None and not first:
                raise NotFoundError(
                    f"the last publication holds no bundle of {done.inputs.study!r} (it has: "
                    f"{', '.join(sorted(last))}); give the publication that does, keep the name of the "
                    "study, or say --first where it was never published under any name"
                )
            bundle = make_bundle(done.folder, part / "bundle" / name, released_before=before)
            bundles.append(bundle.folder)
            changes.append(f"## {done.inputs.study}")
            changes.append(
                compare(before, bundle.folder).to_markdown()
                if before
                else "First release: nothing to compare with."
            )
        text = "\n\n".join(changes) + "\n"
        (part / "changes.md").write_text(text, encoding="utf-8", newline="\n")
        build_book(results=bundles, out=part / "built", rebuild=True, progress=progress)
        os.replace(part / "built" / "_build" / "html", part / "book")
        shutil.rmtree(part / "built")
        shutil.rmtree(part / "results")
        _replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Evaluation(out, text)


def _last_bundles(released: Path | None) -> dict[str, Path]:
    """The bundles released last by the name of their study."""
    if released is None:
        return {}
    released = Path(released)
    for places in ([released], sorted(released.glob("*")), sorted(released.glob("bundle/*"))):
        found = [place for place in places if (place / "manifest.json").is_file()]
        if found:
            return {Results.open(place).manifest["study"]: place for place in found}
    raise NotFoundError(
        f"{released.name!r} holds no released bundle; give the folder of the last publication, or leave "
        "--released out for a first one"
    )


def _refuse_held_back(folder: Path) -> None:
    held = sorted({(s.name, s.rule) for s in Results.open(folder).suppressed if s.name.endswith(".primary")})
    if held:
        raise DisclosureError(
            "planned primary results may not leave, so nothing is published: "
            + "; ".join(f"{name} ({rule})" for name, rule in held)
        )


def _replace(new: Path, place: Path) -> None:
    if place.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{place.name}.old.", dir=place.parent))
        os.replace(place, old / "old")
        os.replace(new, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(new, place)
    os.chmod(place, 0o755)
