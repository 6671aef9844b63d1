"""Comparison of two runs: which numbers, by how much, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pluseval.errors import ComparisonError, NotFoundError
from pluseval.estimate.result import JointTest
from pluseval.report.compare import compare
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.manifest import Manifest
from pluseval.report.write import write

BASE = Manifest(
    inputs={"study": "aa"},
    plan="bb",
    code={"pluseval/x.py": "cc", "analyses/y.py": "dd"},
    environment={"python": "3.11", "packages": {"numpy": "2.4", "scipy": "1.17"}},
    study="hand-made study",
    kind="real",
)


@pytest.fixture
def run(made, tmp_path):
    """Write sets (tables only, which is quick) under a manifest; gives the folder."""

    def do(name, *sets, **changes):
        sets = sets or (made.named("s", made.estimate(), display="table"),)
        folder = tmp_path / name
        write(release(sets, DisclosureRules.default()), folder, manifest=replace(BASE, **changes))
        return folder

    return do


def one(made, *args, **kwargs):
    return made.named("s", made.estimate(*args, **kwargs), display="table")


def test_the_same_run_has_no_change(made, run):
    found = compare(run("a"), run("b"))
    assert found.same_numbers and found.causes == () and found.exit_code == 0
    assert "No number changed" in found.to_markdown()


def test_a_changed_number_is_told_with_its_difference(made, run):
    found = compare(run("a"), run("b", one(made, -2.9, 1.0), inputs={"study": "ab"}))
    change = next(c for c in found.changed if c.field == "estimate")
    assert (change.set, change.term, change.old, change.new) == ("s", "change", -2.4, -2.9)
    assert change.difference == pytest.approx(-0.5)
    assert found.exit_code == 1
    frame = found.to_frame()
    assert list(frame.columns) == ["set", "term", "field", "old", "new", "difference"]
    assert "| s | change | estimate | -2.4 | -2.9 | -0.5 |" in found.to_markdown()


@pytest.mark.parametrize(
    ("change", "cause", "detail"),
    [
        ({"inputs": {"study": "ab"}}, "data", ("study",)),
        ({"plan": "bc"}, "plan", ()),
        ({"code": {**BASE.code, "analyses/y.py": "de"}}, "code", ("analyses/y.py",)),
        (
            {"environment": {"python": "3.12", "packages": BASE.environment["packages"]}},
            "environment",
            ("python",),
        ),
        (
            {"environment": {"python": "3.11", "packages": {"numpy": "2.5", "scipy": "1.17"}}},
            "environment",
            ("numpy",),
        ),
        ({"seeds": {"draws": 8}}, "seeds", ("draws",)),
    ],
)
def test_the_cause_is_named(run, change, cause, detail):
    found = compare(run("a"), run("b", **change))
    assert found.causes == (cause,)
    assert found.details[cause] == detail
    assert f"- {cause} changed" in found.to_markdown()


def test_a_change_without_a_cause_is_called_a_fault(made, run):
    found = compare(run("a"), run("b", one(made, -2.9, 1.0)))
    assert found.unexplained
    assert "fault" in found.to_markdown()


def test_differences_below_the_tolerance_are_none(made, run):
    assert compare(run("a"), run("b", one(made, std_error=1 + 5e-9))).same_numbers
    assert not compare(run("c"), run("d", one(made, std_error=1 + 5e-8))).same_numbers
    assert compare(run("e"), run("f", one(made, std_error=1.001)), tolerance=0.01).same_numbers


def test_a_changed_method_is_a_change(made, run):
    found = compare(run("a"), run("b", one(made, inference="Welch")))
    assert [(c.field, c.new) for c in found.changed] == [("inference", "Welch")]


def test_a_changed_number_of_practices_is_a_change(made, run):
    fewer = made.counts(made.cell(), made.cell("comparison", persons=160_000, practices=50))
    found = compare(run("a"), run("b", one(made, evidence=fewer)))
    assert [(c.field, c.difference) for c in found.changed] == [("practices, comparison", -6)]


def test_what_appeared_and_disappeared(made, run):
    found = compare(run("a"), run("b", made.named("t", made.estimate(), display="table")))
    assert found.appeared == (("t", "change"),) and found.disappeared == (("s", "change"),)
    assert found.exit_code == 1


def test_what_is_newly_suppressed(made, run):
    small = made.named("s", made.estimate(evidence=made.counts(made.cell(practices=5))), display="table")
    found = compare(run("a"), run("b", small, made.named("t", made.estimate(), display="table")))
    assert found.suppressed == (("s", "change", "minimum practices"),)
    assert "minimum practices" in found.to_markdown()


def test_joint_tests_are_compared(made, run):
    def joint(p):
        return made.named(
            "s", made.estimate(), joint=(JointTest("max-t", 2.2, 6.0, p, "permutation"),), display="table"
        )

    found = compare(run("a", joint(0.16)), run("b", joint(0.20)))
    assert [(c.term, c.field) for c in found.changed] == [("max-t", "p_value")]


def test_different_studies_are_not_compared(run):
    with pytest.raises(ComparisonError, match="studies") as error:
        compare(run("a"), run("b", study="another"))
    assert error.value.exit_code == 11
    with pytest.raises(ComparisonError, match="kinds"):
        compare(run("c"), run("d", kind="planted"))


def test_bad_input_is_refused(run, tmp_path):
    with pytest.raises(NotFoundError):
        compare(run("a"), tmp_path / "gone")
    with pytest.raises(ComparisonError, match="tolerance"):
        compare(run("b"), run("c"), tolerance=-1)
