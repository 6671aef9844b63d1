"""Wild cluster bootstrap against fwildclusterboot, and exactly against enumeration in base R."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pluseval.numerics.linear import fit
from pluseval.numerics.wild import wild_bootstrap

DRAWS = 99_999
MONTE_CARLO = 4  # standard errors of a sampled share
WIDTH = 0.01  # of the interval's width
LOW_NUMBER = (1 + np.sqrt(5)) / (2 * np.sqrt(5))  # probability of Mammen's low number
TWELVE = [f"P{i:03d}" for i in (*range(1, 5), *range(15, 23))]
SAMPLED = {
    "smallG12_webb_WCR": dict(practices=TWELVE, distribution="webb"),
    "G84_rademacher_WCR": dict(distribution="rademacher"),
    "G84_webb_WCR": dict(distribution="webb"),
    "G84_rademacher_WCU": dict(distribution="rademacher", restricted=False),
    "G84_weighted_rademacher_WCR": dict(distribution="rademacher", weights="list_size"),
}
ENUMERATED = {
    "smallG12_rademacher_enum_WCR": (TWELVE, True, "smallG12_bruteforce_WCR"),
    "smallG12_rademacher_enum_WCU": (TWELVE, False, "smallG12_bruteforce_WCU"),
    "smallG10_rademacher_enum_WCR": (TWELVE[:10], True, "smallG10_bruteforce_WCR"),
}


@pytest.fixture(scope="module")
def oracle(reference):
    return reference("did2x2_wild_bootstrap")["results"]


@pytest.fixture(scope="module")
def bootstrap(reference_data):
    frame = reference_data("practice_year_referrals")
    frame = frame[frame.year.isin([2015, 2018])]

    def run(*, practices=None, weights=None, **choices):
        rows = frame if practices is None else frame[frame.practice_id.isin(practices)]
        post = (rows.year == 2018).to_numpy(float)
        X = np.column_stack([np.ones(len(rows)), rows.treated, post, rows.treated * post])
        w = None if weights is None else rows[weights]
        fitted = fit(100 * rows.referrals / rows.list_size, X, weights=w)
        return wild_bootstrap(fitted, rows.practice_id, 3, draws=DRAWS, seed=20, **choices)

    return run


def fit_factor(made) -> float:
    """CR1S error over CR0 error of four columns and two rows a practice."""
    clusters, rows = made.n_clusters, 2 * made.n_clusters
    return np.sqrt(clusters / (clusters - 1) * (rows - 1) / (rows - 4))


@pytest.mark.parametrize("name", ENUMERATED)
def test_enumerated_counts_are_exact(bootstrap, oracle, name):
    practices, restricted, brute = ENUMERATED[name]
    made = bootstrap(practices=practices, distribution="rademacher", restricted=restricted)
    said = oracle[brute]
    assert made.enumerated and made.n_draws == said["n_draws"] == 2 ** said["G"]
    assert made.resampling.count() == said["n_strict"]
    assert made.resampling.count(strict=False) == said["n_weak"]
    assert made.p_value() == oracle[name]["p"]
    assert made.n_draws == oracle[name]["B_used"]
    assert made.statistic * fit_factor(made) == pytest.approx(said["t_obs_CR0"], rel=1e-8)
    assert made.resampling.count() / made.n_draws == pytest.approx(said["p_strict"], rel=1e-12)
    assert made.resampling.count(strict=False) / made.n_draws == pytest.approx(said["p_weak"], rel=1e-12)
    assert made.estimate == pytest.approx(oracle[name]["estimate"], rel=1e-8)
    assert made.statistic == pytest.approx(oracle[name]["t_stat"], rel=1e-8)


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_p_is_within_monte_carlo_error(bootstrap, oracle, name):
    made, said = bootstrap(**SAMPLED[name]), oracle[name]
    assert made.statistic == pytest.approx(said["t_stat"], rel=1e-8)
    # both R and this are simulated: the error of the difference of two shares
    error = MONTE_CARLO * np.sqrt(2 * said["p"] * (1 - said["p"]) / DRAWS)
    assert made.p_value() == pytest.approx(said["p"], abs=error)


def assert_interval_agrees(made, low: float, high: float) -> None:
    """Ends within 1 % of the width, or p alpha but for the draws at R's end where they leave more open."""
    found = made.conf_int()
    assert found.bounded == (np.isfinite(low) and np.isfinite(high))
    error = MONTE_CARLO * np.sqrt(2 * 0.05 * 0.95 / made.n_draws)
    for own, end in ((found.low, low), (found.high, high)):
        if np.isfinite(end) and abs(own - end) > WIDTH * (high - low):
            assert not made.enumerated
            assert made.p_value(end) == pytest.approx(0.05, abs=error)


@pytest.mark.parametrize("name", [*ENUMERATED, *SAMPLED])
def test_intervals_by_inversion_agree(bootstrap, oracle, name):
    if name in ENUMERATED:
        practices, restricted, _ = ENUMERATED[name]
        made = bootstrap(practices=practices, distribution="rademacher", restricted=restricted)
    else:
        made = bootstrap(**SAMPLED[name])
    low, high = oracle[name]["ci95"]
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    assert_interval_agrees(made, low, high)


def test_mammen_counts_the_vector_of_low_numbers_that_r_leaves_to_rounding(bootstrap, oracle):
    """Numbers that are all low give |t*| = |t| but for rounding: R counts them or not, here they count."""
    said = oracle["smallG12_mammen_WCR"]
    made = bootstrap(practices=TWELVE, distribution="mammen")
    without = dataclasses.replace(made.resampling, strict=True)
    tie = LOW_NUMBER**made.n_clusters
    error = MONTE_CARLO * np.sqrt(tie * (1 - tie) / DRAWS)
    assert made.p_value() - without.p_value() == pytest.approx(tie, abs=error)
    error = MONTE_CARLO * np.sqrt(2 * said["p"] * (1 - said["p"]) / DRAWS)
    assert without.p_value() - error <= said["p"] <= made.p_value() + error
    if said["p"] > made.p_value() - error:
        assert_interval_agrees(made, *said["ci95"])
