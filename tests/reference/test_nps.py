"""Net Promoter Scores against R, and its change with CR2 through the estimator's own numerics."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.estimate.inference import ClusterRobust
from pluseval.estimate.problem import Contrast
from pluseval.outcomes.experience import nps_score

TOLERANCE = 1e-9
DF_TOLERANCE = 1e-6


@pytest.mark.parametrize("treated", [0, 1])
@pytest.mark.parametrize("wave", [1, 2, 3])
def test_the_mean_score_is_the_nps_and_its_variance(reference, reference_data, treated, wave):
    oracle = reference("nps")["results"][f"t{treated}_w{wave}"]
    survey = reference_data("survey")
    scores = nps_score(survey[(survey["treated"] == treated) & (survey["wave"] == wave)]["nps"])
    scores = scores[~np.isnan(scores)]
    assert (scores.size, (scores == 100).sum(), (scores == -100).sum()) == (
        oracle["n"], oracle["promoters"], oracle["detractors"],
    )  # fmt: skip
    assert scores.mean() == pytest.approx(oracle["nps"], abs=TOLERANCE)
    assert scores.var() / 1e4 == pytest.approx(oracle["var_item"], abs=TOLERANCE)
    assert scores.std() / np.sqrt(scores.size) == pytest.approx(oracle["se_n"], abs=TOLERANCE)


def test_the_change_of_answers_with_cr2_between_practices(reference, reference_data):
    oracle = reference("nps")["results"]["nps_did_ols_CR2"]
    survey = reference_data("survey").dropna(subset=["nps"])
    names, cluster = np.unique(survey["practice_id"], return_inverse=True)
    treated = survey.groupby("practice_id")["treated"].first().loc[names].to_numpy(bool)
    post = survey["post"].to_numpy(float)
    both = np.column_stack([np.ones(len(survey)), post])
    problem = Contrast(
        y=nps_score(survey["nps"]),
        fixed=both,
        by_treatment=both,
        cluster=cluster,
        treated=treated,
        of="answers",
    )
    found = ClusterRobust("CR2").infer(problem, 0.95)
    assert (found.estimate, found.std_error) == pytest.approx((oracle["beta"], oracle["SE"]), rel=1e-8)
    assert (found.df, found.p_value) == pytest.approx((oracle["df_Satt"], oracle["p_Satt"]), rel=DF_TOLERANCE)
