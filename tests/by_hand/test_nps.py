"""The Net Promoter Score of a handful of answers."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.outcomes.experience import nps_score


def test_every_answer_has_its_score():
    expected = [-100] * 7 + [0, 0, 100, 100]
    assert nps_score(range(11)).tolist() == expected


def test_the_mean_score_is_promoters_minus_detractors():
    answers = [10] * 66 + [8] * 28 + [3] * 6
    assert nps_score(answers).mean() == 60


def test_a_missing_answer_stays_missing():
    found = nps_score([9, np.nan, 2])
    assert np.isnan(found[1]) and found[[0, 2]].tolist() == [100, -100]


@pytest.mark.parametrize("answer", [11, -1, 7.5])
def test_what_is_no_answer_is_refused(answer):
    with pytest.raises(DesignError, match="1 NPS answers are not whole numbers from 0 to 10"):
        nps_score([8, answer])
