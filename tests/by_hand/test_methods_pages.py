"""What the pages on methods say of the plan is what the plan says."""

import ast
import re

import pytest

from pluseval.pipeline.assets import locate
from pluseval.pipeline.plan import read_plan

PAGE = locate("book") / "methods" / "inference.md"


@pytest.fixture(scope="module")
def plan():
    return read_plan(locate("analyses") / "plan.toml")


@pytest.fixture(scope="module")
def calls():
    """Every call of the visible code of the page: name and choices."""
    blocks = re.findall(
        r"```\{code-cell\} ipython3\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    found = {}
    for block in blocks:
        if not block.startswith(":tags:"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    kept = {k.arg: k.value for k in node.keywords}
                    found[node.func.attr] = {
                        k: v.value for k, v in kept.items() if isinstance(v, ast.Constant)
                    }
    return found


def of(plan, key):
    return next(o for o in plan.outcomes if o.key == key)


def chosen(outcome):
    dumped = outcome.inference.model_dump(exclude_none=True, exclude_defaults=True)
    return {k: v for k, v in dumped.items() if k != "procedure"}


def test_the_page_runs_the_primary_procedure_of_the_plan(plan, calls):
    assert of(plan, "costs.msz").inference.procedure == "permutation"
    assert calls["Permutation"] == chosen(of(plan, "costs.msz"))


def test_every_comparison_of_groups_has_the_procedure_that_the_page_describes(plan):
    for outcome in plan.outcomes:
        if outcome.design == "did":
            choices = {k: v for k, v in chosen(outcome).items() if k not in ("seed", "draws")}
            assert choices == {"strata": "list_size", "tails": "equal"}, outcome.key


def test_the_page_runs_the_single_arm_test_of_the_plan(plan, calls):
    health = of(plan, "health.eq5d")
    assert calls["SignFlip"] == chosen(health)
    assert calls["single_arm"]["margin"] == health.margin
    assert all(o.inference.procedure == "sign_flip" for o in plan.outcomes if o.design == "single_arm")


def test_the_windows_of_the_page_are_those_of_the_plan(plan):
    given = re.search(r"windows = (\(.*\))", PAGE.read_text(encoding="utf-8"))[1]
    assert ast.literal_eval(given) == (tuple(plan.windows.before), tuple(plan.windows.after))


def test_every_work_that_a_page_cites_is_in_the_bibliography():
    known = set(re.findall(r"@\w+\{(\w+),", (locate("book") / "references.bib").read_text(encoding="utf-8")))
    for page in locate("book").rglob("*.md"):
        if "_build" not in page.parts:
            for keys in re.findall(r"\{cite:[a-z]+\}`([^`]+)`", page.read_text(encoding="utf-8")):
                assert set(keys.split(",")) <= known, (page.name, keys)


def test_no_work_stands_twice_in_the_bibliography():
    text = (locate("book") / "references.bib").read_text(encoding="utf-8")
    for what in (r"@\w+\{(\w+),", r"doi = \{([^}]+)\}"):
        found = re.findall(what, text)
        assert len(found) == len(set(found))
