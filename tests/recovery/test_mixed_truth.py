"""A known truth comes back, and the tests keep their size, from data that the model describes."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import kenward_roger

TRUTH = {"practice": 0.3, "practice_period": 0.2, "patient": 0.6, "residual": 1.0}
EFFECT = 0.4


def draw(rng: np.random.Generator, *, practices: int, treated: int, patients: int, effect: float):
    practice = np.repeat(np.arange(practices), 3 * patients)
    patient = np.repeat(np.arange(practices * patients), 3)
    period = np.tile(np.arange(3), practices * patients)
    group, post = (practice < treated).astype(float), (period > 0).astype(float)
    x = np.column_stack([np.ones(practice.size), group, period == 1, period == 2, group * post]).astype(float)
    y = (
        effect * group * post
        + rng.normal(0, np.sqrt(TRUTH["practice"]), practices)[practice]
        + rng.normal(0, np.sqrt(TRUTH["practice_period"]), (practices, 3))[practice, period]
        + rng.normal(0, np.sqrt(TRUTH["patient"]), practices * patients)[patient]
        + rng.normal(0, np.sqrt(TRUTH["residual"]), practice.size)
    )
    return y, x, {"practice": practice, "period": period, "patient": patient}


def test_variances_and_effect_come_back_in_a_large_study():
    y, x, groups = draw(np.random.default_rng(1), practices=600, treated=200, patients=20, effect=EFFECT)
    model = mixed_model(y, x, **groups)
    for effect, truth in TRUTH.items():
        # the practices' variance is known least well: 4 sqrt(2 / 600) x (0.3 + 0.2 / 3 + 0.6 / 20) / 0.3 =
        # 0.31
        assert model.variances[effect] == pytest.approx(truth, rel=0.31), effect
    assert abs(model.coefficients[4] - EFFECT) < 4 * model.std_errors[4]


def rejections(studies: int, *, period: bool, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = np.empty(studies)
    for i in range(studies):
        y, x, groups = draw(rng, practices=19, treated=5, patients=6, effect=0.0)
        if not period:
            groups.pop("period")
        p[i] = kenward_roger(mixed_model(y, x, **groups)).p_values[4]
    return p < 0.05


@pytest.mark.slow
def test_kenward_roger_keeps_its_size_with_five_treated_practices(request):
    studies = 4000 if request.config.getoption("--full-size", default=False) else 600
    share = rejections(studies, period=True, seed=2).mean()
    assert abs(share - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / studies) + 0.005


@pytest.mark.slow
def test_without_practice_period_the_same_test_rejects_too_often():
    share = rejections(200, period=False, seed=3).mean()
    assert share > 0.09
