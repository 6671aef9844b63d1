"""Results on disk: whole or not at all, the same bytes, nothing that was suppressed, and back again."""

from __future__ import annotations

import getpass
import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pluseval.errors import DesignError, DisclosureError, NotFoundError, UnreadableError
from pluseval.estimate.result import JointTest
from pluseval.report import write as writing
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.manifest import Manifest
from pluseval.report.read import Results
from pluseval.report.words import Question, verdict
from pluseval.report.write import intact, write

MANIFEST = Manifest(
    inputs={"study": "aa"}, plan="bb", code={"pluseval/x.py": "cc"}, study="hand-made study", kind="real"
)


@pytest.fixture
def released(made):
    hidden = made.estimate(
        -987.654, term="small", evidence=made.counts(made.cell(practices=5, persons=987_654))
    )
    return release(
        [
            made.named(
                "referrals.percentage.published",
                made.estimate(-2.4, 1.0, margin=1.5),
                hidden,
                joint=(),
                title_nl="Verwijspercentage",
            ),
            made.trajectory("experience.grade.levels", [8.6, 8.7], [8.5, 8.5]),
            made.named("costs.msz.sensitivity", made.estimate(3.0, measure=made.COST), display="table"),
        ],
        DisclosureRules.default(),
    )


QUESTIONS = (
    Question("referrals", "referrals.percentage.published", "superiority"),
    Question("health", "health.eq5d.primary", "noninferiority", margin=0.03),
)


def content(folder):
    return {
        f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_the_folder_holds_what_its_manifest_names(released, tmp_path):
    run = write(released, tmp_path, manifest=MANIFEST, questions=QUESTIONS)
    assert (tmp_path / "latest").read_text() == run.name + "\n" and run.name == MANIFEST.run
    there = set(content(run))
    assert there == {
        "results.json", "findings.json", "suppressed.csv", "manifest.json",
        *(f"tables/{n}.{e}" for n in released.names for e in ("csv", "html", "md")),
        *(f"figures/{n}.{e}" for n in released.names[:2] for e in ("csv", "html", "svg")),
        *(f"figures/{s.name}.nl.html" for s in released if s.display == "trajectory"),
    }  # fmt: skip
    assert set(json.loads((run / "manifest.json").read_text())["outputs"]) == there - {"manifest.json"}
    assert intact(run)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([run.name, "latest"])


def test_two_writes_give_the_same_bytes(released, tmp_path):
    one = write(released, tmp_path / "a", manifest=MANIFEST, questions=QUESTIONS)
    two = write(released, tmp_path / "b", manifest=MANIFEST, questions=QUESTIONS)
    assert content(one) == content(two)


def test_another_process_with_another_hash_seed_gives_the_same_bytes(tmp_path):
    script = textwrap.dedent(
        """
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("_estimates", sys.argv[1])
        made = importlib.util.module_from_spec(spec); sys.modules["_estimates"] = made
        spec.loader.exec_module(made)
        from pluseval.report.disclosure import DisclosureRules, release
        from pluseval.report.manifest import Manifest
        from pluseval.report.write import write
        levels = made.trajectory("a.levels", [8.6, 8.7], [8.5, 8.5])
        sets = [levels, made.named("b", made.estimate(margin=1.0))]
        manifest = Manifest(inputs={"study": "aa"}, code={})
        print(write(release(sets, DisclosureRules.default()), sys.argv[2], manifest=manifest))
        """
    )
    factory = Path(__file__).parents[1] / "by_hand" / "_estimates.py"
    runs = []
    for seed in ("1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", script, str(factory), str(tmp_path / seed)],
            env=env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        runs.append(Path(done.stdout.strip()))
    assert runs[0].name == runs[1].name
    assert content(runs[0]) == content(runs[1])


def test_an_identical_rerun_leaves_the_files_untouched(released, tmp_path):
    run = write(released, tmp_path, manifest=MANIFEST)
    before = {n: (run / n).stat().st_mtime_ns for n in content(run)}
    write(released, tmp_path, manifest=MANIFEST)
    assert {n: (run / n).stat().st_mtime_ns for n in content(run)} == before


def test_files_changed_by_hand_are_written_again(released, tmp_path):
    run = write(released, tmp_path, manifest=MANIFEST)
    good = content(run)
    (run / "results.json").write_text("{}")
    assert not intact(run)
    write(released, tmp_path, manifest=MANIFEST)
    assert content(run) == good and intact(run)
    assert not list(tmp_path.glob("*.old"))


def test_intact_sees_a_missing_and_an_added_file(released, tmp_path):
    run = write(released, tmp_path, manifest=MANIFEST)
    (run / "extra.txt").write_text("x")
    assert not intact(run)
    (run / "extra.txt").unlink()
    (run / "suppressed.csv").unlink()
    assert not intact(run)
    assert not intact(tmp_path / "gone")


def test_no_value_of_what_was_suppressed_is_written(released, tmp_path):
    run = write(released, tmp_path, questions=QUESTIONS)
    text = b"".join(content(run).values())
    assert b"987.654" not in text and b"987654" not in text and b"987,654" not in text
    assert (run / "suppressed.csv").read_text() == (
        "name,term,rule\nreferrals.percentage.published,small,minimum practices\n"
    )


def test_shares_of_the_largest_contributors_stay_inside(made, tmp_path):
    evidence = made.counts(made.cell(shares=(0.123456, 0.234567, 0.012345, 0.023456)))
    one = made.named("s", made.estimate(measure=made.COST, evidence=evidence))
    text = b"".join(content(write(release([one], DisclosureRules.default()), tmp_path)).values())
    for share in (b"123456", b"234567", b"12345", b"23456"):
        assert share not in text


def test_no_path_user_or_host_is_written(released, tmp_path):
    text = b"".join(content(write(released, tmp_path, questions=QUESTIONS)).values()).decode()
    for word in (str(tmp_path), str(Path.cwd()), f'"{getpass.getuser()}"', f'"{socket.gethostname()}"'):
        assert word not in text


@pytest.mark.parametrize("wrong", ["estimate", "set", "list", "none"])
def test_writers_take_only_what_was_released(made, tmp_path, wrong):
    given = {"estimate": made.estimate(), "set": made.named("s"), "list": [made.named("s")], "none": None}[
        wrong
    ]
    with pytest.raises(DisclosureError, match="release"):
        write(given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_among_the_findings_are_refused(made, released, tmp_path):
    with pytest.raises(DisclosureError, match="plain values"):
        write(released, tmp_path / "out", findings={"facts": made.estimate()})
    assert not (tmp_path / "out").exists()


# -- interrupted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["_write_files", "_move_into_place", "point_at"])
def test_an_exception_half_way_leaves_the_earlier_run(made, released, tmp_path, monkeypatch, step):
    first = write(released, tmp_path, manifest=MANIFEST)
    good = content(first)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, step, fail)
    with pytest.raises(KeyboardInterrupt):
        write(released, tmp_path, manifest=replace(MANIFEST, plan="changed"))
    assert content(first) == good
    assert Results.open(tmp_path).manifest["run"] == first.name
    assert not list(tmp_path.glob(".making-*"))


@pytest.mark.parametrize("plan", ["'changed'", "'bb'"])
def test_a_kill_half_way_leaves_the_earlier_run(released, tmp_path, plan):
    """SIGKILL while the second run writes, under a new name and over damaged files of the same name."""
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("no SIGKILL on this system")
    first = write(released, tmp_path, manifest=MANIFEST)
    good = content(first)
    script = textwrap.dedent(
        f"""
        import importlib.util, os, signal, sys
        spec = importlib.util.spec_from_file_location("_estimates", sys.argv[1])
        made = importlib.util.module_from_spec(spec); sys.modules["_estimates"] = made
        spec.loader.exec_module(made)
        from pluseval.report import write as writing
        from pluseval.report.disclosure import DisclosureRules, release
        from pluseval.report.manifest import Manifest
        real, count = os.fsync, [0]
        def kill(descriptor):
            count[0] += 1
            if count[0] == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            real(descriptor)
        writing.os.fsync = kill
        manifest = Manifest(inputs={{"study": "aa"}}, plan={plan}, code={{"pluseval/x.py": "cc"}},
                            study="hand-made study", kind="real")
        released = release([made.named("s", made.estimate(-5.0))], DisclosureRules.default())
        writing.write(released, sys.argv[2], manifest=manifest)
        """
    )
    factory = Path(__file__).parents[1] / "by_hand" / "_estimates.py"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script, str(factory), str(tmp_path)], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(first) == good
    assert Results.open(tmp_path).number("referrals.percentage.published") == -2.4
    write(released, tmp_path, manifest=replace(MANIFEST, plan="third"))
    assert Results.open(tmp_path).manifest["plan"] == "third"


def test_a_kill_between_the_two_renames_is_mended(released, tmp_path):
    first = write(released, tmp_path, manifest=MANIFEST)
    good = content(first)
    first.rename(first.with_name(first.name + ".old"))
    assert Results.open(tmp_path).number("referrals.percentage.published") == -2.4
    write(released, tmp_path, manifest=MANIFEST)
    assert content(first) == good and not list(tmp_path.glob("*.old"))


def test_only_what_is_long_abandoned_is_swept(released, tmp_path):
    fresh, stale = tmp_path / ".making-fresh", tmp_path / ".making-stale"
    for left in (fresh, stale):
        left.mkdir()
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(stale, (long_ago, long_ago))
    write(released, tmp_path, manifest=MANIFEST)
    assert fresh.exists() and not stale.exists()


# -- and back ------------------------------------------------------------------------------------------------


def test_words_from_the_bundle_equal_words_from_the_estimate(made, released, tmp_path):
    results = Results.open(write(released, tmp_path))
    for hypothesis in ("superiority", "noninferiority"):
        original = verdict(released["referrals.percentage.published"].estimates[0], hypothesis=hypothesis)
        again = verdict(results["referrals.percentage.published"].estimates[0], hypothesis=hypothesis)
        assert (again.key, again.sentence_en, again.sentence_nl, again.how_sure_en) == (
            original.key, original.sentence_en, original.sentence_nl, original.how_sure_en,
        )  # fmt: skip


def test_figures_and_tables_are_made_again_from_the_bundle(released, tmp_path):
    from pluseval.report.figures import emit_figure
    from pluseval.report.tables import emit_table

    run = write(released, tmp_path)
    results = Results.open(run)
    for one in results:
        assert emit_table(one).html == (run / "tables" / f"{one.name}.html").read_text(encoding="utf-8")
        if one.display != "table":
            assert emit_figure(one).csv == (run / "figures" / f"{one.name}.csv").read_text(encoding="utf-8")
            assert emit_figure(one).alt in results.figure(one.name).content.replace("&amp;", "&")


def test_what_is_not_a_number_comes_back_as_such(made, tmp_path):
    one = made.estimate(conf_low=-math.inf, conf_high=math.inf, p_value=math.nan, df=math.inf)
    joint = JointTest("max-t", 2.0, math.nan, 0.16, "permutation")
    run = write(release([made.named("s", one, joint=(joint,))], DisclosureRules.default()), tmp_path)
    text = (run / "results.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = Results.open(run)["s"]
    assert math.isnan(back.estimates[0].p_value) and back.estimates[0].conf_low == -math.inf
    assert back.estimates[0].df == math.inf and math.isnan(back.joint[0].df) and back.joint[0].p_value == 0.16


def test_findings_are_made_from_released_numbers(released, tmp_path):
    results = Results.open(write(released, tmp_path, questions=QUESTIONS, findings={"skipped": [["a", "b"]]}))
    assert results.verdict("referrals").key == "lower"
    assert results.verdict("health").key == results.verdict("never asked").key == "not_testable"
    assert "Referral percentage is lower" in results.answer().content
    assert "Verwijspercentage: lager" in results.answer("nl").content
    assert "Niet te toetsen" in results.sentence("health", lang="nl").content
    assert results.facts == {"skipped": [["a", "b"]]}


def test_the_plans_outcomes_are_asked_by_default(made, tmp_path):
    plan = {
        "alpha": 0.05,
        "outcomes": [{"key": "referrals.percentage", "hypothesis": "superiority", "margin": None}],
    }
    one = made.named("referrals.percentage.primary", made.estimate(-5.0))
    run = write(release([one], DisclosureRules.default()), tmp_path, findings={"plan": plan})
    assert Results.open(run).verdict("referrals").key == "lower"


def test_numbers_print_themselves_and_still_count(released, tmp_path):
    results = Results.open(write(released, tmp_path))
    number = results.number("referrals.percentage.published")
    assert number == -2.4 and f"{number:.1f}" == "-2.4" and f"{number}" == str(number) == "-2.40"
    assert number.text("nl") == "-2,40" and number.unit == "percentage points"
    assert ">-2.40<" in number._repr_html_()
    p = results.number("referrals.percentage.published", field="p_value")
    assert str(p) == "0.016"
    assert json.loads(json.dumps(number)) == -2.4
    shown = results.show("referrals.percentage.published").content
    assert "-2.40 percentage points (95% interval -4.36 to -0.44)" in shown


def test_unknown_names_list_near_ones_and_absent_ones_say_so(released, tmp_path):
    results = Results.open(write(released, tmp_path))
    with pytest.raises(NotFoundError, match=r"referrals\.percentage\.published"):
        results.number("referrals.percentage.publisched")
    with pytest.raises(NotFoundError, match="near names"):
        results.show("nothing.of.the.kind")
    with pytest.raises(NotFoundError, match="change"):
        results.number("referrals.percentage.published", "chance")
    with pytest.raises(NotFoundError, match="conf_low"):
        results.number("referrals.percentage.published", field="conf_lo")
    for text in (results.show("costs.total.primary"), results.figure("costs.total.primary")):
        assert "Not testable on these data" in text.content
    assert "Niet te toetsen" in results.table("costs.total.primary", lang="nl").content
    with pytest.raises(NotFoundError, match="Not testable"):
        results.number("costs.total.primary")
    with pytest.raises(NotFoundError, match="no figure"):
        results.figure("costs.msz.sensitivity")


def test_a_suppressed_set_says_by_which_rule(made, tmp_path):
    small = made.named("costs.msz.primary", made.estimate(evidence=made.counts(made.cell(practices=5))))
    results = Results.open(write(release([small], DisclosureRules.default()), tmp_path))
    assert "Suppressed (minimum practices)" in results.show("costs.msz.primary").content
    assert results.n_suppressed == 1 and results.source is None


def test_any_number_of_bundles_are_one(made, released, tmp_path):
    public = made.named("municipal.pilot.msz", made.estimate(5.0, measure=made.COST, source=made.PLANTED))
    other = write(release([public], DisclosureRules.public_aggregates()), tmp_path / "b")
    one, two = Results.open(write(released, tmp_path / "a", questions=QUESTIONS)), Results.open(other)
    both = Results.combine(one, two)
    assert set(both.names) == {*one.names, *two.names}
    assert [s.kind for s in both.sources] == ["real", "planted"] and both.source_label == "synthetic"
    assert both.verdict("municipal_pilot").key == "higher"
    assert both.answers == one.answers
    assert (
        "EUR 5" in both.table("municipal.pilot.msz").content
        or "5" in both.show("municipal.pilot.msz").content
    )
    with pytest.raises(DesignError, match="two bundles"):
        Results.combine(one, one)


def test_bundles_that_are_not_whole_are_refused(released, tmp_path):
    with pytest.raises(NotFoundError, match="pluseval run"):
        Results.open(tmp_path / "gone")
    run = write(released, tmp_path)
    (run / "results.json").write_text('{"sets": [')
    with pytest.raises(UnreadableError, match="JSON"):
        Results.open(run)
    (run / "results.json").write_text('{"sets": [{"name": "s"}], "suppressed": []}')
    with pytest.raises(UnreadableError, match="lacks"):
        Results.open(run)
    (run / "manifest.json").unlink()
    with pytest.raises(NotFoundError, match=r"manifest\.json"):
        Results.open(run)
    (tmp_path / "latest").write_text("../elsewhere")
    with pytest.raises(NotFoundError, match="latest"):
        Results.open(tmp_path)


def test_what_was_read_does_not_change(released, tmp_path):
    number = Results.open(write(released, tmp_path))["referrals.percentage.published"].estimates[0]
    with pytest.raises(AttributeError):
        number.estimate = 0.0
    with pytest.raises(AttributeError):
        number.source.kind = "real"
    with pytest.raises(AttributeError, match="no field"):
        _ = number.nonsense
    with pytest.raises(DesignError, match="90 %, 95 %"):
        number.conf_int(0.99)
    assert number.p_at(0.0) == number.p_value
    with pytest.raises(DesignError, match="no test"):
        number.p_at(0.7)


def test_the_reader_is_light():
    """Pages import it a dozen times: no pandas, no plotting, under 50 ms on an idle machine."""
    script = (
        "import sys, time; t = time.process_time(); import pluseval.report.read; "
        "d = time.process_time() - t; "
        "assert not {'pandas', 'numpy', 'matplotlib', 'great_tables'} & set(sys.modules); print(d)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    took = [
        float(
            subprocess.run(
                [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(4)
    ]
    assert min(took) < 0.15  # three times the aim, because other work may share the machine


def test_figures_mark_what_the_plan_and_the_data_say(made, released, tmp_path):
    from pluseval.report.figures import Marks, emit_figure

    plan = {"windows": {"transition": [2016], "covid": [2017]}}
    run = write(released, tmp_path, findings={"plan": plan, "data": {"starts": ["2016-06-01"]}})
    one = released["experience.grade.levels"]
    svg = (run / "figures" / "experience.grade.levels.svg").read_text(encoding="utf-8")
    marks = Marks(starts=(date(2016, 6, 1),), transition=(2016,), covid=2017)
    assert svg == emit_figure(one, marks=marks).svg
    assert svg != emit_figure(one).svg
