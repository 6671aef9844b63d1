"""The wild cluster bootstrap against itself written out: residuals, signs, refits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics import wild
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit
from pluseval.numerics.wild import wild_bootstrap

G = 7


@pytest.fixture
def panel():
    rng = np.random.default_rng(12)
    cluster = np.repeat(np.arange(G), rng.integers(2, 6, G))
    n = cluster.size
    treated = (cluster < 3).astype(float)
    X = np.column_stack([np.ones(n), treated, rng.normal(size=n)])
    y = rng.normal(size=G)[cluster] + rng.normal(size=n) + 0.4 * treated
    return y, X, cluster, rng.uniform(0.5, 2, n)


def _refits(y, X, cluster, w, null, restricted):
    """The t statistics of all 2^G sign vectors, by refitting every outcome."""
    made = fit(y, X, weights=w)
    at = null if restricted else made.coef[1]
    if restricted:
        rest = fit(y - null * X[:, 1], X[:, [0, 2]], weights=w)
        residuals = rest.residuals
        fitted = y - residuals
    else:
        residuals, fitted = made.residuals, y - made.residuals
    drawn = []
    for signs in itertools.product([-1.0, 1.0], repeat=G):
        again = fit(fitted + residuals * np.array(signs)[cluster], X, weights=w)
        drawn.append((again.coef[1] - at) / cluster_cov(again, cluster, kind="CR1S").std_error(1))
    seen = (made.coef[1] - null) / cluster_cov(made, cluster, kind="CR1S").std_error(1)
    return seen, np.array(drawn)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("null", [0.0, 1.1])
def test_every_draw_is_a_refit(panel, weighted, restricted, null):
    y, X, cluster, w = panel
    w = w if weighted else None
    seen, drawn = _refits(y, X, cluster, w, null, restricted)
    made = wild_bootstrap(fit(y, X, weights=w), cluster, 1, restricted=restricted, draws=200, seed=1)
    assert made.enumerated and made.n_draws == 2**G
    assert made.resampling.statistic(null) == pytest.approx(seen)
    assert np.sort(made.resampling.statistics(null)) == pytest.approx(np.sort(drawn))
    assert made.p_value(null) == np.mean(np.abs(drawn) > abs(seen) * (1 + 1e-9))


def test_absorbed_practices_give_the_draws_of_their_indicators():
    rng = np.random.default_rng(3)
    practice = np.repeat(np.arange(9), 4)
    year = np.tile(np.arange(4.0), 9)
    on = ((practice < 4) & (year > 1)).astype(float)
    y = rng.normal(size=36)
    indicators = (practice[:, None] == np.arange(9)).astype(float)
    years = (year[:, None] == np.arange(1, 4)).astype(float)
    choices = dict(distribution="webb", draws=500, seed=4)
    printed = wild_bootstrap(fit(y, np.column_stack([indicators, years, on])), practice, -1, **choices)
    absorbed = wild_bootstrap(fit(y, on[:, None], absorb=(practice, year)), practice, 0, **choices)
    assert absorbed.estimate == pytest.approx(printed.estimate)
    one, other = absorbed.resampling.statistics(0.3), printed.resampling.statistics(0.3)
    assert one / absorbed.statistic == pytest.approx(other / printed.statistic)


def test_two_equal_sign_vectors_always_tie(panel):
    y, X, cluster, _ = panel
    made = wild_bootstrap(fit(y, X), cluster, 1, draws=200, seed=1).resampling
    assert made.count(0.2, strict=False) - made.count(0.2) == 2


def test_the_unrestricted_interval_is_symmetric(panel):
    y, X, cluster, _ = panel
    made = wild_bootstrap(fit(y, X), cluster, 1, restricted=False, draws=200, seed=1)
    found = made.conf_int()
    assert found.high - made.estimate == pytest.approx(made.estimate - found.low)


@pytest.mark.parametrize("distribution", ["rademacher", "webb", "mammen"])
def test_the_numbers_have_mean_0_and_variance_1(distribution):
    numbers = np.concatenate([v for v, _ in wild.multipliers(distribution, 20, 10_000, 5, False)])
    assert numbers.mean() == pytest.approx(0, abs=5 / np.sqrt(numbers.size))
    assert (numbers**2).mean() == pytest.approx(1, abs=5 / np.sqrt(numbers.size))
    assert (numbers**3).mean() == pytest.approx(1.0 if distribution == "mammen" else 0.0, abs=0.03)


def test_a_bootstrap_that_cannot_be_is_refused(panel):
    y, X, cluster, _ = panel
    made = fit(y, X)
    with pytest.raises(DesignError, match="rademacher, webb, mammen"):
        wild_bootstrap(made, cluster, 1, distribution="normal", seed=1)
    with pytest.raises(DesignError, match="at least one draw"):
        wild_bootstrap(made, cluster, 1, draws=0, seed=1)
    with pytest.raises(DesignError, match="10 draws"):
        wild_bootstrap(made, cluster, 1, draws=10, seed=1)
    few = cluster < 5
    with pytest.raises(DesignError, match="5 clusters"):
        wild_bootstrap(fit(y[few], X[few]), cluster[few], 1, seed=1)
    assert wild_bootstrap(fit(y[few], X[few]), cluster[few], 1, distribution="webb", seed=1).n_clusters == 5
    single = X.copy()
    single[:, 1] = cluster == 0
    with pytest.raises(DesignError, match="one cluster alone"):
        wild_bootstrap(fit(y, single), cluster, 1, seed=1)
    with pytest.raises(DesignError, match="all zero"):
        wild_bootstrap(fit(np.ones_like(y), X), cluster, 1, seed=1)
