"""A stale number cannot stand on a page: a small book of one page, built again and again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pluseval.data.synthetic import synthesize
from pluseval.data.synthetic.parameters import Parameters
from pluseval.errors import PlusevalError, StaleError
from pluseval.pipeline import book, sphinx
from pluseval.pipeline.assets import locate
from pluseval.pipeline.run import Run
from pluseval.pipeline.run import run as run_for_real
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.manifest import Manifest
from pluseval.report.page import RESULTS_VARIABLE
from pluseval.report.write import write

pytestmark = pytest.mark.book

PAGE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  name: python3
---

# One number

```{code-cell} ipython3
:tags: [remove-input]

import os
from pathlib import Path

from pluseval.report.page import open_book

with Path(os.environ["SMALL_BOOK_EXECUTIONS"]).open("a") as log:
    log.write("executed\\n")
open_book().number("referrals.percentage.published")
```
"""


def bundle_of(made, place: Path, value: float) -> Path:
    """A released run of one number, made by hand."""
    named = made.named(
        "referrals.percentage.published", made.estimate(value, 1.0), title_nl="Verwijspercentage"
    )
    manifest = Manifest(
        inputs={"study": f"{value}"}, plan="p", code={"a.py": "c"}, study="hand-made study", kind="real"
    )
    return write(release([named], DisclosureRules.default()), place, manifest=manifest)


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book with the project's own settings and one page, and the log of its executions."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("_config.yml", "_static", "references.bib"):
        found = locate("book") / name
        (shutil.copytree if found.is_dir() else shutil.copy)(found, source / name)
    (source / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (source / "index.md").write_text(PAGE, encoding="utf-8")
    log = tmp_path / "executions"
    monkeypatch.setenv("SMALL_BOOK_EXECUTIONS", str(log))
    monkeypatch.setattr(book, "locate", lambda name: source if name == "book" else locate(name))
    return SimpleNamespace(
        source=source,
        out=tmp_path / "out",
        executions=lambda: log.read_text(encoding="utf-8").count("executed") if log.exists() else 0,
    )


def test_pages_are_used_again_until_a_result_changes_and_a_failing_page_stops_the_build(
    small_book, made, tmp_path
):
    first, second = bundle_of(made, tmp_path / "a", -2.41), bundle_of(made, tmp_path / "b", 3.57)

    page = book.build_book(results=[first], out=small_book.out)
    assert "-2.41" in page.read_text(encoding="utf-8")
    assert small_book.executions() == 1

    book.build_book(results=[first], out=small_book.out)
    assert small_book.executions() == 1, "nothing changed: the page is not executed again"

    book.build_book(results=[second], out=small_book.out)
    assert small_book.executions() == 2
    text = page.read_text(encoding="utf-8")
    assert "3.57" in text
    assert "-2.41" not in text
    with pytest.raises(StaleError):
        book.require_fresh(page.parent, [first])

    source = small_book.source / "index.md"
    source.write_text(PAGE.replace("open_book()", "open_no_book()"), encoding="utf-8")
    with pytest.raises(PlusevalError, match="not built"):
        book.build_book(results=[second], out=small_book.out)


def test_a_warning_stops_the_build(small_book, made, tmp_path):
    source = small_book.source / "index.md"
    source.write_text("# A page\n\nSee [](no/such/page.md).\n", encoding="utf-8")
    with pytest.raises(PlusevalError, match="no/such/page"):
        book.build_book(results=[bundle_of(made, tmp_path / "a", 1.0)], out=small_book.out)


def test_changed_results_give_another_cache_and_every_page_is_read_again(made, tmp_path, monkeypatch):
    monkeypatch.setenv(RESULTS_VARIABLE, "")
    out = tmp_path / "out" / "_build" / "html"
    cache = out.parent / ".jupyter_cache"
    env = SimpleNamespace(found_docs={"b", "a"})
    seen = []
    for value in (1.0, 1.0, 2.0):
        folder = bundle_of(made, tmp_path / f"r{value}", value)
        monkeypatch.setenv(book.BUNDLES_VARIABLE, str(folder))
        config = SimpleNamespace()
        sphinx.prepare(SimpleNamespace(outdir=str(out)), config)
        Path(config.nb_execution_cache_path).mkdir(parents=True, exist_ok=True)
        again = sphinx.outdated(SimpleNamespace(config=config), env, set(), set(), set())
        seen.append((config.pluseval_key, again))
        assert Path(config.nb_execution_cache_path).name == config.pluseval_key
        assert [f.name for f in cache.iterdir()] == [config.pluseval_key], "other caches are gone"
    (key, all_pages), (same, none), (other, all_again) = seen
    assert all_pages == all_again == ["a", "b"]
    assert none == []
    assert key == same != other


def test_other_error_rates_or_claims_are_another_book(tmp_path, made, monkeypatch):
    """The tables of the package and of the calibration stand on pages, so they are part of the key."""
    bundle = bundle_of(made, tmp_path / "a", 1.0)
    analyses = shutil.copytree(locate("analyses"), tmp_path / "analyses")
    monkeypatch.setattr(book, "locate", lambda name: analyses if name == "analyses" else locate(name))
    first = book.build_key([bundle])
    assert first == book.build_key([bundle])
    table = analyses / "calibration" / "table.csv"
    table.write_text(table.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert book.build_key([bundle]) != first


def test_jupyter_book_by_itself_runs_a_stale_evaluation_again(tmp_path, monkeypatch, beside):
    """Without results handed over, the embedded study is evaluated where its results are not there."""
    small = Parameters.sized(treated=14, comparators=56, patients=14_000)
    data = synthesize(tmp_path / "study", seed=3, parameters=small)
    plan = tmp_path / "plan.toml"
    plan.write_text(_referrals_only((locate("analyses") / "plan.toml").read_text(encoding="utf-8"), beside))
    runs: list[Run] = []

    def run(asked, *, plan, out, reuse, progress):
        assert asked is None, "the embedded study"
        assert out == locate("book").parent / "results"
        runs.append(run_for_real(data, plan=tmp_path / "plan.toml", out=tmp_path / "results", reuse=reuse))
        return runs[-1]

    monkeypatch.setattr(book, "run", run)
    monkeypatch.delenv(book.BUNDLES_VARIABLE, raising=False)
    first = book.results_for_book()[0]
    again = book.results_for_book()[0]
    assert first == again
    assert [r.reused for r in runs] == [False, True]

    text = plan.read_text(encoding="utf-8")
    plan.write_text(text.replace("after = [2017, 2019]", "after = [2018, 2019]"), encoding="utf-8")
    changed = book.results_for_book()[0]
    assert changed != first
    assert not runs[-1].reused
    assert book.build_key([changed]) != book.build_key([first])

    broken = changed / "results.json"
    content = json.loads(broken.read_text(encoding="utf-8"))
    broken.write_text(json.dumps(content), encoding="utf-8")
    book.results_for_book()
    assert not runs[-1].reused, "a run that was touched is not used"


def _referrals_only(text: str, beside: dict[str, object]) -> str:
    """The plan with the referral percentage as its only outcome, its primary contrast only."""
    head, *outcomes = text.split("[[outcomes]]\n")
    one = next(o for o in outcomes if 'key = "referrals.percentage"' in o)
    tail = "[municipal]" + one.split("[municipal]")[1]
    lines = one.split("# The published reading")[0].split("[[outcomes.sensitivity]]")[0].splitlines()
    kept = [line for line in lines if line.split("=")[0].strip() not in beside]
    return head + "[[outcomes]]\n" + "\n".join(kept) + "\n\n" + tail
