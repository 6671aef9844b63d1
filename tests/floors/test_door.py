"""The public door: sorted, complete, and free to open."""

import re
import subprocess
import sys
from pathlib import Path

import pluseval


def test_all_is_sorted_and_everything_in_it_can_be_imported():
    assert pluseval.__all__ == sorted(set(pluseval.__all__))
    for name in pluseval.__all__:
        assert getattr(pluseval, name) is not None


def test_every_public_name_says_what_one_gets():
    undocumented = [n for n in pluseval.__all__ if not (getattr(pluseval, n).__doc__ or "").strip()]
    assert undocumented == []


def test_an_unknown_name_is_an_attribute_error():
    try:
        pluseval.no_such_estimator  # noqa: B018
    except AttributeError as error:
        assert "no_such_estimator" in str(error)
    else:
        raise AssertionError("an unknown name was served")


def test_importing_loads_nothing_heavy_and_configures_no_logging():
    code = (
        "import sys, logging, warnings; before = list(warnings.filters); import pluseval;"
        "heavy = {'pandas', 'numpy', 'ibis', 'duckdb', 'matplotlib', 'seaborn', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy; assert not logging.getLogger().handlers;"
        "assert warnings.filters == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_answers_without_loading_the_engine():
    code = (
        "import sys; sys.argv = ['pluseval', '--help']\n"
        "from pluseval.cli import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "assert not {'pandas', 'ibis', 'duckdb', 'matplotlib'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for command in ("validate", "synthesize", "run", "release", "compare", "book", "evaluate"):
        assert command in shown.stdout


def test_every_public_name_stands_in_the_reference_chapter():
    page = (Path(__file__).resolve().parents[2] / "book" / "reference" / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\.\. auto\w+:: pluseval\.(\w+)$", page, flags=re.M)) == pluseval.__all__
