"""Power formulas equal R's stats, and the cluster formula as written out in R."""

from __future__ import annotations

import pytest

from pluseval.numerics.power import cluster_did_power, proportions_power, t_test_power, t_test_sample_size

EXACT = 1e-6
R_ROOT = 1e-4  # power.t.test finds the size to about .Machine$double.eps^0.25

DESIGNS = {  # the arguments in r/09_misc.R
    "crosssectional": (0.3, 14, 70, 30, 0.05, 0.8, 0.0),
    "cohort": (0.3, 14, 70, 30, 0.05, 0.8, 0.6),
    "equal": (0.25, 20, 20, 50, 0.02, 0.9, 0.5),
}


@pytest.fixture
def r(reference) -> dict:
    return reference("power_cluster_did")["results"]


def test_t_test_power_equals_r(r):
    assert t_test_power(0.5, sd=1.0, n_per_arm=50) == pytest.approx(r["power_t_n50_d05"], abs=EXACT)


def test_t_test_sample_size_equals_r(r):
    own = t_test_sample_size(0.5, sd=1.0, power=0.8)
    assert own == pytest.approx(r["n_t_d05_80"], abs=10 * R_ROOT)
    assert t_test_power(0.5, sd=1.0, n_per_arm=own) == pytest.approx(0.8, abs=1e-9)


def test_proportions_power_equals_r(r):
    assert proportions_power(0.23, 0.18, n_per_arm=200) == pytest.approx(r["prop"], abs=EXACT)


@pytest.mark.parametrize("name", DESIGNS)
def test_cluster_did_power_equals_r(name, r):
    effect, treated, comparison, size, icc, cluster, individual = DESIGNS[name]
    own = cluster_did_power(
        effect,
        sd=1.0,
        treated_clusters=treated,
        comparison_clusters=comparison,
        size=size,
        icc=icc,
        cluster_autocorrelation=cluster,
        individual_autocorrelation=individual,
    )
    expected = r["cluster_did_formula"][name]
    assert own.std_error == pytest.approx(expected["se"], abs=EXACT)
    assert own.correlation == pytest.approx(expected["r_cluster_mean"], abs=EXACT)
    assert own.power_normal == pytest.approx(expected["power_z"], abs=EXACT)
    assert own.power_t == pytest.approx(expected["power_t"], abs=EXACT)
