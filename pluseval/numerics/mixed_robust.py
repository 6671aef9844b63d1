"""Cluster-robust covariance on top of a linear mixed model: its working covariance need not be right.

A model with practice, practice x period and patient intercepts says that two years of a practice are alike
to one degree, whatever lies between them. With more than two periods they are not. The sandwich over
practices keeps the model's weights but takes the error from the practices themselves; CR2 with
Bell-McCaffrey degrees of freedom corrects for few of them.
"""

from __future__ import annotations

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.mixed import LinearMixedModel
from pluseval.numerics.mixed_likelihood import period_matrices
from pluseval.numerics.mixed_sums import codes, group_sums
from pluseval.numerics.score_sandwich import ClusterScores


def practice_scores(
    model: LinearMixedModel, y: np.ndarray, x: np.ndarray, *, practice: np.ndarray
) -> ClusterScores:
    """Information and score of each practice at the fit, for ``score_sandwich`` and ``robust_test``.

    Parameters
    ----------
    model : LinearMixedModel
    y, x, practice : arrays
        The rows that the model was fitted to, in any order.

    Raises
    ------
    DesignError
        Rows other than the model's.

    References
    ----------
    CR0 and CR3 equal ``clubSandwich::vcovCR`` of an lmer fit. CR2 takes another root of the same matrix (see
    ``score_sandwich``): standard errors differ in the fourth digit, degrees of freedom do not.

    Examples
    --------
    >>> from pluseval.numerics.mixed import mixed_model
    >>> from pluseval.numerics.score_sandwich import robust_test
    >>> y, x = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0]), np.ones((6, 1))
    >>> practice = np.array([1, 1, 2, 2, 3, 3])
    >>> model = mixed_model(y, x, practice=practice)
    >>> test = robust_test(4.5, practice_scores(model, y, x, practice=practice), np.ones(1), kind="CR2")
    >>> round(test.std_error, 6), round(test.df, 6)    # three equal practices: the t test of their means
    (1.732051, 2.0)
    """
    y, x = np.asarray(y, dtype=float), np.asarray(x, dtype=float)
    sums = model.sums
    labels, group = codes(practice)
    if (
        x.shape != (model.n_rows, sums.n_columns)
        or group.shape != y.shape
        or labels.size != sums.cell_rows.shape[0]
    ):
        raise DesignError("practice_scores needs the rows that the model was fitted to")
    columns = np.column_stack([x @ np.linalg.inv(sums.basis), y - x @ sums.ols])
    n_practices, q = labels.size, columns.shape[1]
    weighted = np.stack([group_sums(group, columns * columns[:, [j]], n_practices) for j in range(q)], axis=1)
    if not np.allclose(weighted.sum(axis=0), sums.products, rtol=1e-6, atol=1e-8 * sums.products.max()):
        raise DesignError("practice_scores needs the rows that the model was fitted to; these are others")

    n_periods = sums.cell_rows.shape[1]
    identity = np.eye(n_periods)
    level = model.ratios[1:] if model.effects[0] == "patient" else model.ratios
    shapes = period_matrices(model.effects, n_periods)
    gamma = sum((v * s for v, s in zip(level, shapes, strict=True)), np.zeros((n_periods, n_periods)))
    cell_m, cell_r = sums.cell_rows[:, :, None] * identity, sums.cell_sums
    if model.effects[0] == "patient":
        a = model.ratios[0]
        shrink = a / (1.0 + a * sums.sizes)
        cell_m = cell_m - np.tensordot(shrink, sums.count_products, axes=1)
        cell_r = cell_r - np.tensordot(shrink, sums.count_sums, axes=1)
        own = sums.patient_sums * np.sqrt(a / (1.0 + a * sums.patient_rows.sum(axis=1)))[:, None]
        home = sums.patient_practice
        weighted = weighted - np.stack(
            [group_sums(home, own * own[:, [j]], n_practices) for j in range(q)], axis=1
        )
    kernel = np.linalg.solve(identity + gamma @ cell_m, np.broadcast_to(gamma, cell_m.shape))
    weighted = weighted - cell_r.swapaxes(1, 2) @ kernel @ cell_r
    contrast = np.append(-sums.basis @ (model.coefficients - sums.ols), 1.0)
    residual = model.variances["residual"]
    information = sums.basis.T @ weighted[:, :-1, :-1] @ sums.basis / residual
    scores = weighted[:, :-1] @ contrast @ sums.basis / residual
    return ClusterScores((information + information.swapaxes(1, 2)) / 2.0, scores, model.n_rows)
