"""One effect side by side: the primary first and marked, refusals named, the curve drawn."""

from __future__ import annotations

import pytest

from pluseval.errors import DesignError
from pluseval.estimate.content_seed import content_seed
from pluseval.estimate.did import did
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.robustness import robustness
from pluseval.estimate.specification import specification_curve
from pluseval.report.captions import alt_text
from pluseval.report.figures import emit_figure, plot

DRAWS = 199


@pytest.fixture(scope="module")
def frame(drawn):
    return drawn.framed(drawn.practice_rows(1))


def test_the_primary_procedure_comes_first_and_is_marked(frame, drawn):
    primary = Permutation(draws=299, seed=5, strata="list_size")
    found = robustness(frame, seed=1, windows=drawn.WINDOWS, primary=primary, draws=DRAWS)
    assert [e.term.endswith("(primary)") for e in found] == [True] + [False] * (len(found) - 1)
    alone = did(frame, inference=primary, windows=drawn.WINDOWS)
    assert (found.estimates[0].p_value, found.estimates[0].conf_low) == (alone.p_value, alone.conf_low)
    assert sum("tertiles" in e.term for e in found) == 2  # it took the place of its kind


def test_a_primary_procedure_of_another_kind_is_added(frame, drawn):
    found = robustness(
        frame, seed=1, windows=drawn.WINDOWS, primary=ClusterRobust("CR3", df="clusters"), draws=DRAWS
    )
    assert found.estimates[0].term == "ClusterRobust (primary)" and len(found) == 7


def test_unadjusted_procedures_agree_on_the_effect(frame, drawn):
    found = robustness(frame, seed=1, windows=drawn.WINDOWS, draws=DRAWS)
    same = [e.estimate for e in found if "log list size" not in e.term]
    assert same == pytest.approx([did(frame, inference=OLS(), windows=drawn.WINDOWS).estimate] * 5)
    assert all(any("effective number of practices" in note for note in e.notes) for e in found)
    assert found["pooled t"].df == 38 and found["CR2, Bell-McCaffrey"].df < 38


def test_refused_procedures_are_named_with_their_reason(drawn):
    data = drawn.practice_rows(1).drop(columns="list_size")
    found = robustness(drawn.framed(data), seed=1, windows=drawn.WINDOWS, draws=DRAWS)
    refused = [n for n in found.estimates[0].notes if n.startswith("not shown")]
    assert len(found) == 4 and len(refused) == 2 and all("list_size" in n for n in refused)


def test_a_frame_alone_is_enough(frame, drawn):
    """Without a seed and windows: seeded by the data, all years before the first entry v from the last on."""
    found = robustness(frame, draws=DRAWS)
    entries = frame.cells["entry"].dropna()
    before = [p for p in frame.periods if p < entries.min()]
    after = [p for p in frame.periods if p >= entries.max()]
    windows = ((before[0], before[-1]), (after[0], after[-1]))
    assert max(before) + 1 < min(after)  # a year of the roll-out is left out
    named = robustness(frame, seed=content_seed(frame), windows=windows, draws=DRAWS)
    assert [(e.estimate, e.p_value, e.conf_low) for e in found] == [
        (e.estimate, e.p_value, e.conf_low) for e in named
    ]
    assert all("before the first practice joined" in e.estimand.contrast for e in found)
    assert not any("before the first practice joined" in e.estimand.contrast for e in named)
    with pytest.raises(DesignError, match="robustness needs 2 periods, found"):
        robustness(frame.between(entries.min(), frame.periods[-1]), draws=DRAWS)


def test_the_seed_follows_the_values_and_nothing_else(drawn):
    rows = drawn.practice_rows(1)
    frame = drawn.framed(rows)
    assert 0 <= content_seed(frame) < 1_000_000
    assert content_seed(drawn.framed(rows.sample(frac=1, random_state=3))) == content_seed(frame)
    assert content_seed(frame.with_practices({"extra": frame.practices["list_size"]})) == content_seed(frame)
    moved = rows.assign(pct=rows.pct.where(rows.index != rows.index[0], rows.pct + 0.01))
    assert content_seed(drawn.framed(moved)) != content_seed(frame)


def test_full_adds_the_others_and_models_of_persons(drawn):
    frame = drawn.framed_persons(drawn.person_rows(2))
    terms = [e.term for e in robustness(frame, seed=1, draws=DRAWS, full=True)]
    assert {"CR1, t(G-1)", "CR3, Bell-McCaffrey", "permutation of the coefficient"} <= set(terms)
    assert {"mixed model, Kenward-Roger", "GEE, Mancl-DeRouen"} <= set(terms)
    practice = robustness(drawn.framed(drawn.practice_rows(1)), seed=1, draws=DRAWS, full=True,
                          windows=drawn.WINDOWS)  # fmt: skip
    assert not any("mixed" in e.term or "GEE" in e.term for e in practice)


def test_a_refused_primary_is_an_error(frame, drawn):
    with pytest.raises(DesignError, match="single arm"):
        robustness(frame, seed=1, windows=drawn.WINDOWS, primary=SignFlip(draws=64, seed=1), draws=DRAWS)


@pytest.mark.parametrize("early", [0, 1])
def test_too_few_programme_practices_are_refused_by_every_procedure(drawn, early):
    frame = drawn.framed(drawn.practice_rows(1, early=early, late=0))
    with pytest.raises(DesignError, match="practice"):
        robustness(frame, seed=1, windows=drawn.WINDOWS, draws=DRAWS)


def test_few_practices_take_webb_weights(drawn):
    frame = drawn.framed(drawn.practice_rows(1, n=10, early=4, late=0))
    found = robustness(frame, seed=1, windows=drawn.WINDOWS, draws=DRAWS)
    assert any(e.term.endswith("Webb") for e in found)


CURVE = {
    "windows": [((2013, 2015), (2017, 2019)), ((2015, 2015), (2018, 2018))],
    "inferences": {
        "CR2": ClusterRobust(),
        "pooled t": OLS(),
        "permutation": Permutation(draws=DRAWS, seed=1),
    },
    "covariates": [(), ("log(list_size)",)],
}


@pytest.fixture(scope="module")
def curve(frame):
    estimators = ["did", "callaway_santanna", "imputation", "sun_abraham", "mixed"]
    return specification_curve(frame, **CURVE, estimators=estimators)


def test_the_curve_holds_every_combination_that_can_be_had(curve):
    # did: 2 windows x 2 covariates x (3 procedures unweighted + CR2 and permutation by exposure), three
    # staggered ones
    assert len(curve) == 2 * 2 * 5 + 3
    notes = curve.estimates[0].notes
    assert any("8 not shown: mixed_did needs one row per person" in n for n in notes)
    assert sum("not shown" in n for n in notes) == 2
    assert curve.estimates[0].term.endswith("inference: CR2 (primary)")


def test_each_point_of_the_curve_is_its_own_estimate(curve, frame):
    term = (
        "estimator: difference in differences; window: 2015 v 2018; covariates: log(list_size); weight: "
        "exposure; inference: CR2"
    )
    own = did(
        frame, inference=ClusterRobust(), periods=(2015, 2018), adjust=["log(list_size)"], weights="exposure"
    )
    assert (curve[term].estimate, curve[term].p_value) == (own.estimate, own.p_value)


def test_the_curve_is_drawn_sorted_with_its_choices(curve):
    upper, lower = plot(curve).axes
    heights = [line.get_ydata()[0] for line in upper.lines if len(line.get_xdata()) == 1]
    assert heights == sorted(heights) and len(heights) == len(curve)
    assert any(t.get_text() == "primary" for t in upper.texts)
    labels = [t.get_text() for t in lower.get_yticklabels()]
    assert {"Estimator", "Years", "Covariates", "Weight", "Procedure", "Sun-Abraham", "none"} <= set(labels)
    assert emit_figure(curve) == emit_figure(curve)


def test_the_alternative_text_tells_the_ends_and_the_primary_one(curve):
    text = alt_text(curve)
    assert text.startswith("Specification curve") and f"{len(curve)} specifications" in text
    assert f"{curve.estimates[0].estimate:.2f}" in text
    assert "specificaties" in alt_text(curve, lang="nl")


def test_a_dimension_that_does_not_vary_is_not_drawn(frame):
    one = specification_curve(
        frame, windows=CURVE["windows"][:1], inferences={"Welch": Welch(), "t": OLS()}, weights=["practice"]
    )
    labels = [t.get_text() for t in plot(one).axes[1].get_yticklabels()]
    assert labels == ["Procedure", "Welch", "t"]


def test_other_results_are_not_drawn_as_a_curve(made):
    with pytest.raises(DesignError, match="terms with choices"):
        plot(made.named("curve", made.estimate(), display="specification"))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"windows": []}, "windows is empty"),
        ({"estimators": ["magic"]}, "unknown"),
        ({"inferences": {"wild": WildBootstrap}}, "value"),
    ],
)
def test_choices_that_are_none_are_refused(frame, wrong, match):
    with pytest.raises(DesignError, match=match):
        specification_curve(frame, **{**CURVE, **wrong})
