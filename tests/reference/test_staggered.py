"""Callaway-Sant'Anna in closed form equals R's did, and its cells equal diff-diff's without covariates."""

from __future__ import annotations

import diff_diff
import numpy as np
import pandas as pd
import pytest

from pluseval.numerics.multiplier import multiplier_bootstrap
from pluseval.numerics.reassignment_adjusted import adjusted_callaway_santanna_map
from pluseval.numerics.staggered import GroupTimeAtt, group_time_att
from pluseval.numerics.staggered_average import AGGREGATIONS, aggregate_att

ESTIMATE, ERROR = 1e-6, 1e-5
BOOTSTRAP, R_DRAWS = 0.03, 20_000
COMPARISONS = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}


def wide(frame: pd.DataFrame, *, unit: str, period: str, y: str, entry: str) -> dict[str, np.ndarray]:
    table = frame.pivot(index=unit, columns=period, values=y)
    return {
        "y": table.to_numpy(),
        "entry": frame.groupby(unit)[entry].first().to_numpy(),
        "periods": table.columns.to_numpy(),
    }


def numbers(values) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in np.atleast_1d(values)], float)


def assert_equals(own: GroupTimeAtt, r: dict) -> None:
    """Every effect and average of one run of att_gt and aggte."""
    assert own.group.tolist() == np.atleast_1d(r["group"]).tolist()
    assert own.period.tolist() == np.atleast_1d(r["t"]).tolist()
    assert own.att == pytest.approx(numbers(r["att"]), abs=ESTIMATE)
    assert own.se == pytest.approx(numbers(r["se"]), rel=ERROR, nan_ok=True)
    p = numbers(np.ravel(r["Wpval"])) if r.get("Wpval") is not None else np.array([])
    if p.size and np.isfinite(p[0]):
        assert own.pretrend_p == pytest.approx(p[0], abs=1e-5)  # R rounds it to five decimals
        assert own.pretrend_statistic == pytest.approx(np.ravel(r["W_pretest"])[0], rel=ERROR)
    assert own.units.size + own.n_always_treated == r["n"]
    for kind in AGGREGATIONS:
        average, expected = aggregate_att(own, kind=kind), r["group_agg" if kind == "group" else kind]
        assert average.overall == pytest.approx(expected["overall.att"], abs=ESTIMATE)
        if kind == "group":
            assert r_group_error(own) == pytest.approx(expected["overall.se"], rel=ERROR)
        else:
            assert average.overall_se == pytest.approx(expected["overall.se"], rel=ERROR)
        if kind != "simple":
            assert average.key.tolist() == np.atleast_1d(expected["egt"]).tolist()
            assert average.att == pytest.approx(numbers(expected["att.egt"]), abs=ESTIMATE)
            se = numbers(expected["se.egt"])
            assert average.se[np.isfinite(se)] == pytest.approx(se[np.isfinite(se)], rel=ERROR)


def r_group_error(own: GroupTimeAtt) -> float:
    """The overall error of aggte(type = "group") in did 2.1.2, which repeats the first cohort for all.

    It perturbs all shares by membership of the first cohort (``group[k]`` where ``glist[k]`` is meant).
    """
    average = aggregate_att(own, kind="group")
    total = own.shares.sum()
    first = own.membership[:, :1] - own.shares
    move = first / total - first.sum(axis=1, keepdims=True) * own.shares / total**2
    influence = average.influence @ (own.shares / total) + move @ average.att
    return float(np.sqrt((influence**2).sum()) / own.units.size)


@pytest.fixture
def referrals(reference_data) -> dict[str, np.ndarray]:
    data = reference_data("practice_year_referrals")
    return wide(
        data.assign(pct=100 * data.referrals / data.list_size),
        unit="practice_id",
        period="year",
        y="pct",
        entry="cohort",
    )


@pytest.fixture
def unbalanced(reference_data) -> dict[str, np.ndarray]:
    data = reference_data("practice_year_referrals_unbalanced")
    return wide(
        data.assign(pct=100 * data.referrals / data.list_size),
        unit="practice_id",
        period="year",
        y="pct",
        entry="cohort",
    )


@pytest.fixture
def mpdta(shared_data) -> dict[str, np.ndarray]:
    path = shared_data() / "data" / "validation" / "mpdta.csv"
    if not path.exists():
        pytest.skip("mpdta.csv is not in the shared data")
    return wide(pd.read_csv(path), unit="countyreal", period="year", y="lemp", entry="first.treat")


@pytest.fixture
def mpdta_values(shared_values) -> dict:
    return shared_values("did_att_gt_mpdta")["results"]


@pytest.mark.parametrize("r_comparison", COMPARISONS)
@pytest.mark.parametrize("method", ["dr", "reg", "ipw"])
def test_referrals_equal_r(method, r_comparison, referrals, reference):
    r = reference("did_att_gt_referrals")["results"][f"referrals_{method}_{r_comparison}_none"]
    assert_equals(group_time_att(**referrals, comparison=COMPARISONS[r_comparison]), r)


@pytest.mark.parametrize("r_comparison", COMPARISONS)
def test_outcome_regression_equals_r(r_comparison, referrals, reference, reference_data):
    """Every average with a covariate; R's error of the group average has its slip (see assert_equals)."""
    r = reference("did_att_gt_referrals")["results"][f"referrals_reg_{r_comparison}_lls"]
    data = reference_data("practice_year_referrals").sort_values("year")
    size = np.log(data.groupby("practice_id").list_size.first().to_numpy())

    def made(**kind) -> tuple[float, float]:
        found = adjusted_callaway_santanna_map(
            referrals["entry"], periods=referrals["periods"], covariates=size,
            comparison=COMPARISONS[r_comparison], **kind,
        )  # fmt: skip
        start = np.where(referrals["entry"] == 0, np.inf, referrals["entry"])
        codes = np.searchsorted(found.cohorts, start)[None]
        effects, forms = found.forms(codes, (referrals["y"],), small_sample=False)
        return effects[0][0], np.sqrt(forms[0, 0][0])

    for kind in AGGREGATIONS:
        expected, (estimate, se) = r["group_agg" if kind == "group" else kind], made(kind=kind)
        assert estimate == pytest.approx(expected["overall.att"], abs=ESTIMATE)
        if kind != "group":
            assert se == pytest.approx(expected["overall.se"], rel=ERROR)
    r = r["dynamic"]
    for key, att, error in zip(r["egt"], numbers(r["att.egt"]), numbers(r["se.egt"]), strict=True):
        estimate, se = made(kind="dynamic", key=key)
        assert estimate == pytest.approx(att, abs=ESTIMATE)
        assert se == pytest.approx(error, rel=ERROR)


def test_universal_base_equals_r(referrals, reference):
    r = reference("did_att_gt_referrals")["results"]["referrals_dr_never_universal"]
    assert_equals(group_time_att(**referrals, comparison="never_treated", base="universal"), r)


def test_weights_equal_r(referrals, reference, reference_data):
    r = reference("did_att_gt_referrals")["results"]["referrals_reg_never_weighted"]
    data = reference_data("practice_year_referrals").sort_values("year")
    weights = data.groupby("practice_id").list_size.first().to_numpy()
    assert_equals(group_time_att(**referrals, comparison="never_treated", weights=weights), r)


@pytest.mark.parametrize("missing", ["drop", "allow"])
def test_unbalanced_panels_equal_r(missing, unbalanced, reference):
    r = reference("did_att_gt_referrals")["results"][f"unbalanced_{missing}"]
    own = group_time_att(**unbalanced, comparison="never_treated", missing=missing)
    incomplete = int(np.isnan(unbalanced["y"]).any(axis=1).sum())
    assert own.n_incomplete == (incomplete if missing == "drop" else 0)
    assert_equals(own, r)


@pytest.mark.parametrize("r_comparison", COMPARISONS)
@pytest.mark.parametrize("method", ["dr", "reg", "ipw"])
def test_mpdta_equals_r(method, r_comparison, mpdta, mpdta_values):
    r = mpdta_values[f"mpdta_{method}_{r_comparison}_none"]
    assert_equals(group_time_att(**mpdta, comparison=COMPARISONS[r_comparison]), r)


def test_mpdta_as_repeated_cross_sections_equals_r(mpdta, mpdta_values):
    """Every row a unit of its own: what is there is compared, cell mean by cell mean."""
    y = mpdta["y"]
    units, periods = np.indices(y.shape)
    rows = np.full((y.size, y.shape[1]), np.nan)
    rows[np.arange(y.size), periods.ravel()] = y.ravel()
    own = group_time_att(
        rows,
        entry=mpdta["entry"][units.ravel()],
        periods=mpdta["periods"],
        comparison="never_treated",
        missing="allow",
    )
    assert_equals(own, mpdta_values["mpdta_rc_dr_never_none"])


def test_mpdta_with_anticipation_equals_r(mpdta, mpdta_values):
    r = mpdta_values["mpdta_dr_never_anticip1"]
    assert_equals(group_time_att(**mpdta, comparison="never_treated", anticipation=1), r)


def test_mpdta_with_universal_base_equals_r(mpdta, mpdta_values):
    r = mpdta_values["mpdta_dr_never_none_universal"]
    assert_equals(group_time_att(**mpdta, comparison="never_treated", base="universal"), r)


def test_the_group_average_counts_each_cohort_where_r_counts_the_first(referrals, reference):
    """A deliberate difference from did 2.1.2, of the size its slip predicts; none with one cohort."""
    r = reference("did_att_gt_referrals")["results"]["referrals_dr_nevertreated_none"]
    own = group_time_att(**referrals, comparison="never_treated")
    average = aggregate_att(own, kind="group")
    size = r["group_agg"]["overall.se"] / average.overall_se
    assert size == pytest.approx(r_group_error(own) / average.overall_se, rel=ERROR)
    assert size != pytest.approx(1, abs=1e-9)
    alone = referrals["entry"] != own.cohorts[-1]
    one = {"y": referrals["y"][alone], "entry": referrals["entry"][alone], "periods": referrals["periods"]}
    single = group_time_att(**one, comparison="never_treated")
    assert r_group_error(single) == pytest.approx(aggregate_att(single, kind="group").overall_se)


def assert_draws_agree(influence: np.ndarray, se: np.ndarray, critical: float | None) -> None:
    """Within 3 %, or four Monte Carlo errors where 20,000 draws settle an interquartile range less well."""
    runs = [multiplier_bootstrap(influence, draws=R_DRAWS, seed=seed) for seed in range(8)]
    own = np.array([[*run.se, run.critical] for run in runs])
    expected = np.append(se, np.nan if critical is None else critical)
    tolerance = np.maximum(
        BOOTSTRAP * np.abs(own.mean(axis=0)), 4 * own.std(axis=0, ddof=1) * np.sqrt(1 + 1 / 8)
    )
    compared = np.isfinite(expected)
    assert compared.any()
    assert (np.abs(own.mean(axis=0) - expected) <= tolerance)[compared].all()


def test_multiplier_bootstrap_equals_r(referrals, reference):
    r = reference("did_att_gt_referrals")["results"]["referrals_bootstrap20000"]
    own = group_time_att(**referrals, comparison="never_treated")
    assert_draws_agree(own.influence, numbers(r["se"]), r["crit.val"])
    events = r["dynamic"]
    assert_draws_agree(aggregate_att(own, kind="dynamic").influence, numbers(events["se"]), events["crit"])
    assert_draws_agree(aggregate_att(own).overall_influence, numbers(r["simple"]["se"]), None)


@pytest.mark.parametrize("comparison", ["never_treated", "not_yet_treated"])
def test_closed_form_equals_diff_diff_without_covariates(comparison, referrals):
    units, length = referrals["y"].shape
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), length),
            "time": np.tile(referrals["periods"], units),
            "y": referrals["y"].ravel(),
            "first": np.repeat(referrals["entry"], length),
        }
    )
    fitted = diff_diff.CallawaySantAnna(control_group=comparison, n_bootstrap=0).fit(
        frame, outcome="y", unit="unit", time="time", first_treat="first"
    )
    own = group_time_att(**referrals, comparison=comparison)
    for group, period, att in zip(own.group, own.period, own.att, strict=True):
        if period >= group:
            assert fitted.group_time_effects[(group, period)]["effect"] == pytest.approx(att, abs=ESTIMATE)
    assert fitted.overall_att == pytest.approx(aggregate_att(own).overall, abs=ESTIMATE)
