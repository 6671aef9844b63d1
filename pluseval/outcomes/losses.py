"""Losses of an outcome by group and period, from counts per practice and period."""

from __future__ import annotations

import pandas as pd

from pluseval.data.frame import Loss
from pluseval.data.study import Study


def losses_by_group(study: Study, counts: pd.DataFrame, reason: str) -> tuple[Loss, ...]:
    """One loss per group and period that lost anything.

    Parameters
    ----------
    study : Study
        Says which practices ever joined.
    counts : DataFrame
        Columns ``practice_id period lost``, one row per practice and period.
    reason : str

    Returns
    -------
    tuple of Loss
        Programme before comparison, periods ascending.
    """
    joined = study.practices["entry"].notna()
    treated = counts["practice_id"].astype(str).map(joined).fillna(False).astype(bool)
    sums = counts["lost"].groupby([~treated, counts["period"].astype("int64")], sort=True).sum()
    return tuple(
        Loss(reason, int(lost), "comparison" if other else "programme", int(period))
        for (other, period), lost in sums.items()
        if lost
    )
