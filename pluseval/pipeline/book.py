"""The book: the evaluation runs once, in one process; pages read what it released."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pluseval.errors import NotFoundError, PlusevalError, StaleError
from pluseval.pipeline.assets import in_clone, locate
from pluseval.pipeline.bundle import require_intact
from pluseval.pipeline.run import Progress, run, silent
from pluseval.report.read import Results, run_folder

# How a choice reaches the build, which runs in a process of its own (`jupyter-book build book` has none).
BUNDLES_VARIABLE = "PLUSEVAL_BOOK_BUNDLES"
BUILD_RECORD = "pluseval-build.json"
_DONE = ".pluseval-complete"


def build_book(
    data: Sequence[Path] | None = None,
    *,
    plan: Path | None = None,
    results: Sequence[Path] | None = None,
    out: Path | None = None,
    rebuild: bool = False,
    progress: Progress = silent,
) -> Path:
    """Evaluate where needed and build the book.

    Parameters
    ----------
    data : sequence of Path, optional
        Folders to evaluate: a study, Vektis downloads, or both. The embedded synthetic study by default.
    plan : Path, optional
        The analysis plan.
    results : sequence of Path, optional
        Released bundles to build from instead: no data are read.
    out : Path, optional
        Folder in which ``_build`` is made; the folder ``book`` of a clone, or ``pluseval-book`` here.
    rebuild : bool
        Whether every page is built again.

    Returns
    -------
    Path
        The book's front page.

    Raises
    ------
    NotFoundError
        If Jupyter Book is not installed (extra ``book``), or there is no such data or bundle.
    PlusevalError
        If a page fails or warns; the log says where.
    """
    command = _jupyter_book()
    out = Path(out) if out is not None else (locate("book") if in_clone() else Path("pluseval-book"))
    if results:
        folders = [Path(r) for r in results]
    else:
        folders = _evaluate(data, plan, out, progress)
    folders = with_committed(folders)
    build = out / "_build"
    done = build / _DONE
    complete = done.is_file()
    done.unlink(missing_ok=True)
    progress("building the pages", 7, 8)
    arguments = [
        str(command),
        "build",
        str(locate("book")),
        "--path-output",
        str(out),
        "-W",
        "--keep-going",
        "-q",
    ]
    if rebuild or not complete:
        arguments.append("--all")
    environment = {**os.environ, BUNDLES_VARIABLE: os.pathsep.join(str(f.resolve()) for f in folders)}
    finished = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    page = build / "html" / "index.html"
    if finished.returncode != 0 or not page.is_file():
        raise PlusevalError("the book was not built:\n" + _tail(finished.stdout + finished.stderr))
    require_fresh(build / "html", folders)
    done.touch()
    progress("done", 8, 8)
    return page


def results_for_book() -> list[Path]:
    """The released results that a build of the book shows; a stale evaluation is run again.

    The folders that :func:`build_book` handed over, or, where Jupyter Book was called by itself, those of
    the embedded synthetic study; and the committed bundles for what these do not cover.
    """
    given = os.environ.get(BUNDLES_VARIABLE)
    if given:
        return [Path(p) for p in given.split(os.pathsep)]
    return with_committed(_evaluate(None, None, locate("book"), silent))


def with_committed(folders: Sequence[Path]) -> list[Path]:
    """Bundles, checked, together with those committed with the book that they do not cover.

    Raises
    ------
    StaleError
        If a bundle was changed after it was written.
    """
    chosen = [run_folder(folder) for folder in folders]
    for folder in chosen:
        require_intact(folder)
    covered = {name for folder in chosen for name in Results.open(folder).names}
    # A clone without committed bundles has no such folder: git keeps none that is empty.
    for bundle in sorted((locate("book") / "bundles").glob("*")):
        if bundle.is_dir() and not covered & set(Results.open(bundle).names):
            require_intact(bundle)
            chosen.append(bundle)
    return chosen


def build_key(folders: Sequence[Path]) -> str:
    """The hash of everything that a page's numbers and words come from, besides the page's own text."""
    digest = hashlib.sha256()
    for folder in folders:
        digest.update((Path(folder) / "manifest.json").read_bytes())
    package = Path(__file__).resolve().parent.parent
    for root in (package, locate("analyses") / "calibration"):
        for file in sorted(f for f in root.rglob("*") if f.is_file() and f.suffix != ".pyc"):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def write_build_record(html: Path, folders: Sequence[Path]) -> None:
    """Put beside the pages which results they show."""
    record = {"key": build_key(folders), "runs": [_run_name(f) for f in folders]}
    (html / BUILD_RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def require_fresh(html: Path, folders: Sequence[Path]) -> None:
    """Stop where a built book does not show these results.

    Raises
    ------
    StaleError
        If the book was built from other results or by other code.
    """
    try:
        record = json.loads((Path(html) / BUILD_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    if record.get("key") != build_key(folders):
        raise StaleError("the built book does not show these results: build it again (pluseval book --all)")


def _evaluate(data: Sequence[Path] | None, plan: Path | None, out: Path, progress: Progress) -> list[Path]:
    place = out.parent / "results" if out == locate("book") else out / "results"
    paths: list[Path | None] = list(data) if data else [None]
    return [run(path, plan=plan, out=place, reuse=True, progress=progress).folder for path in paths]


def _run_name(folder: Path) -> str:
    return json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))["run"]


def _jupyter_book() -> Path:
    beside = Path(sys.executable).parent
    for name in ("jupyter-book", "jupyter-book.exe"):
        if (beside / name).is_file():
            return beside / name
    found = shutil.which("jupyter-book")
    if found is None:
        raise NotFoundError("Jupyter Book is not installed; install pluseval[book]")
    return Path(found)


def _tail(log: str, lines: int = 40) -> str:
    return "\n".join(log.strip().splitlines()[-lines:])
