"""Averages of group-time effects, with the error of the cohort sizes that weigh them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.staggered import GroupTimeAtt, influence_standard_error

AGGREGATIONS = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True)
class AggregatedAtt:
    """Group-time effects averaged by ``kind``.

    Attributes
    ----------
    kind : str
    key : (M,) array
        Event time, cohort or calendar period of each average; empty for ``simple``.
    att, se : (M,) arrays
    influence : (N, M) array
    overall, overall_se : float
    overall_influence : (N,) array
    """

    kind: str
    key: np.ndarray
    att: np.ndarray
    se: np.ndarray
    influence: np.ndarray
    overall: float
    overall_se: float
    overall_influence: np.ndarray


def aggregate_att(
    att_gt: GroupTimeAtt, *, kind: str = "simple", balance: float | None = None, transition: float = 0
) -> AggregatedAtt:
    """Average group-time effects: over all, by event time, by cohort or by calendar period.

    ``simple`` weighs each effect by its cohort's size. The overall figure of ``dynamic`` is the mean over
    event times 0 and later, that of ``group`` weighs cohorts by size, that of ``calendar`` is the mean over
    periods. The standard errors include that cohort sizes are themselves estimated.

    Parameters
    ----------
    att_gt : GroupTimeAtt
    kind : {"simple", "dynamic", "group", "calendar"}
    balance : float, optional
        For ``dynamic``: only cohorts seen at least this long after entry, and event times up to it that all
        of them have, so that every event time averages the same cohorts (``did`` keeps leads that some
        lack).

    transition : float
        Length of time from entry that is left out of every average: 1 where the first period was only partly
        treated.

    Raises
    ------
    DesignError
        An unknown kind, or no effect after entry.

    References
    ----------
    Equals ``did::aggte`` with ``na.rm = TRUE`` and ``bstrap = FALSE``.

    Examples
    --------
    >>> from pluseval.numerics.staggered import group_time_att
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 4], [1.0, 4, 5], [2.0, 5, 8]])
    >>> out = group_time_att(y, entry=np.array([0, 0, 2, 2]), periods=np.array([1, 2, 3]))
    >>> aggregate_att(out).overall
    2.5
    """
    key, theta, gradient, overall = aggregation_weights(
        att_gt.group,
        att_gt.period,
        cohorts=att_gt.cohorts,
        shares=att_gt.shares,
        kind=kind,
        balance=balance,
        transition=transition,
    )
    centred = att_gt.membership - att_gt.shares
    influence = att_gt.influence @ theta + centred @ np.einsum("mkg,k->gm", gradient, att_gt.att)
    theta_all, gradient_all = overall
    overall_influence = att_gt.influence @ theta_all + centred @ (gradient_all.T @ att_gt.att)
    return AggregatedAtt(
        kind=kind,
        key=key,
        att=att_gt.att @ theta,
        se=influence_standard_error(influence),
        influence=influence,
        overall=float(att_gt.att @ theta_all),
        overall_se=float(influence_standard_error(overall_influence[:, None])[0]),
        overall_influence=overall_influence,
    )


def aggregation_weights(
    group: np.ndarray,
    period: np.ndarray,
    *,
    cohorts: np.ndarray,
    shares: np.ndarray,
    kind: str,
    balance: float | None = None,
    transition: float = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Weights of the cells in each average, and how they move with the cohort shares.

    Returns
    -------
    key : (M,) array
    theta : (K, M) array
        Weight of each cell in each average.
    gradient : (M, K, G) array
        Derivative of those weights with respect to the cohort shares.
    overall : ((K,), (K, G)) arrays
        The same for the overall figure.
    """
    if kind not in AGGREGATIONS:
        raise DesignError(f"unknown aggregation {kind!r}; use one of {', '.join(AGGREGATIONS)}")
    if balance is not None and kind != "dynamic":
        raise DesignError(f"balance applies to kind='dynamic', found kind={kind!r}")
    if transition < 0:
        raise DesignError(f"transition is a length of time from entry, not negative, found {transition}")
    event = period - group
    after = event >= transition
    if not after.any():
        raise DesignError("no effect after entry can be estimated, so there is nothing to average")
    belongs = (group[:, None] == cohorts).astype(float)
    share = belongs @ shares

    def by_share(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = share[chosen].sum()
        theta = np.where(chosen, share, 0.0) / total
        own = np.where(chosen[:, None], belongs, 0.0) / total
        return theta, own - np.outer(theta, own.sum(axis=0))

    if kind == "simple":
        empty = np.zeros((group.size, 0))
        return np.zeros(0), empty, np.zeros((0, group.size, cohorts.size)), by_share(after)
    if kind == "group":
        key = np.unique(group[after])
        theta = np.stack([(after & (group == g)) / (after & (group == g)).sum() for g in key], axis=1)
        gradient = np.zeros((key.size, group.size, cohorts.size))
        size = shares[np.searchsorted(cohorts, key)]
        own = (key[:, None] == cohorts).astype(float)
        move = (own - np.outer(size / size.sum(), own.sum(axis=0))) / size.sum()
        return key, theta, gradient, (theta @ (size / size.sum()), theta @ move)
    usable = (event < 0) | after
    if kind == "dynamic":
        if balance is not None:
            long_enough = np.max(period) - group >= balance
            n_cohorts = np.unique(group[long_enough]).size
            times, n_seen = np.unique(event[long_enough], return_counts=True)
            usable &= long_enough & (event <= balance) & np.isin(event, times[n_seen == n_cohorts])
            if not (usable & after).any():
                raise DesignError(
                    f"no cohort is seen {balance} periods after entry; choose a smaller balance"
                )
        values, counts_overall = event, lambda key: key >= transition
    else:
        usable, values, counts_overall = after, period, lambda key: np.ones(key.size, bool)
    key = np.unique(values[usable])
    pairs = [by_share(usable & (values == k)) for k in key]
    theta = np.stack([pair[0] for pair in pairs], axis=1)
    gradient = np.stack([pair[1] for pair in pairs])
    chosen = counts_overall(key)
    return key, theta, gradient, (theta[:, chosen].mean(axis=1), gradient[chosen].mean(axis=0))
