"""The Sphinx extension of the book: results that match, an execution cache bound to them, no outside request.

Loaded by ``book/_config.yml``, so that ``jupyter-book build book`` by itself re-runs a stale evaluation too.
"""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from pluseval.errors import NotFoundError
from pluseval.pipeline.book import build_key, results_for_book, write_build_record
from pluseval.report.page import RESULTS_VARIABLE

MATHJAX = "tex-svg.js"


def prepare(app: Sphinx, config: Config) -> None:
    """Make or find the results, hand them to the pages, and bind the execution cache to their hash."""
    folders = results_for_book()
    os.environ[RESULTS_VARIABLE] = os.pathsep.join(str(folder) for folder in folders)
    key = build_key(folders)
    config.pluseval_key = key
    config.pluseval_results = [str(folder) for folder in folders]
    cache = Path(app.outdir).parent / ".jupyter_cache"
    config.nb_execution_cache_path = str(cache / key)
    _forget_other_caches(cache, key)


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Every page, when the results are not those that the pages were last read with."""
    known = getattr(env, "pluseval_key", None)
    env.pluseval_key = app.config.pluseval_key  # type: ignore[attr-defined]
    return [] if known == app.config.pluseval_key else sorted(env.found_docs)


def dress(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out scripts that need the internet, say the page's language, and the scope of header cells."""
    # Live cells would be fetched from elsewhere; their settings, written twice, are an error on each page.
    context["script_files"] = [s for s in context["script_files"] if not _is_thebe(s)]
    context["language"] = app.env.metadata.get(pagename, {}).get("lang", context.get("language"))
    if "body" in context:
        context["body"] = context["body"].replace('<th class="head"', '<th scope="col" class="head"')


def finish(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax into the book, so that it opens without the internet, and the record of what it shows."""
    if error is not None or app.builder.format != "html":
        return
    shutil.copyfile(_mathjax(), Path(app.outdir) / "_static" / MATHJAX)
    write_build_record(Path(app.outdir), [Path(folder) for folder in app.config.pluseval_results])


def _is_thebe(script: Any) -> bool:
    body = getattr(script, "attributes", {}).get("body") or ""
    return "sphinx-thebe" in str(getattr(script, "filename", script)) or "THEBE_JS_URL" in body


def _mathjax() -> Path:
    try:
        found = [f for f in files("sphinx-mathjax-offline") or [] if f.name == MATHJAX]
    except PackageNotFoundError:
        found = []
    if not found:
        raise NotFoundError(
            f"MathJax ({MATHJAX}) is not installed, and the book must open without the internet: "
            "install pluseval[book]"
        )
    return Path(str(found[0].locate()))


def _forget_other_caches(cache: Path, key: str) -> None:
    for folder in cache.iterdir() if cache.is_dir() else []:
        if folder.is_dir() and folder.name != key:
            shutil.rmtree(folder, ignore_errors=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension to the build."""
    app.add_config_value("pluseval_key", "", "")
    app.add_config_value("pluseval_results", [], "")
    app.connect("config-inited", prepare, priority=100)
    app.connect("env-get-outdated", outdated)
    app.connect("html-page-context", dress)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
