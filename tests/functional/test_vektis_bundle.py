"""The committed municipal bundle holds what the public files give when they are at hand."""

import os
from pathlib import Path

import pytest

from pluseval.data.vektis import is_vektis
from pluseval.pipeline.run import run
from pluseval.report.compare import compare
from pluseval.report.read import Results
from pluseval.report.write import intact

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "book" / "bundles" / "vektis"
SHARED = Path(os.environ.get("PLUSEVAL_SHARED") or ROOT / ".." / "shared").resolve() / "data"


def test_the_committed_bundle_is_whole_and_names_its_source():
    results = Results.open(BUNDLE)
    assert intact(BUNDLE)
    assert {s.name for s in results.sources} >= {"bron: Vektis"}
    assert results.manifest["kind"] == "public"
    assert len(results.names) > 30


def test_the_bundle_holds_aggregates_only():
    """Municipalities of the region by name, everything else as groups: no row of the download."""
    files = [f for f in BUNDLE.rglob("*") if f.is_file()]
    assert {f.suffix for f in files} <= {".csv", ".html", ".md", ".svg", ".json", ".txt"}
    assert max(f.stat().st_size for f in files) < 5_000_000


@pytest.mark.skipif(not is_vektis(SHARED), reason="the Vektis files are not at hand (PLUSEVAL_SHARED)")
def test_recomputing_gives_the_committed_numbers(tmp_path):
    done = run(SHARED, out=tmp_path)
    found = compare(BUNDLE, done.folder)
    assert found.same_numbers, found.to_markdown()
    assert "data" not in found.causes, found.causes
