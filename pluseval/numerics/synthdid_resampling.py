"""Errors of synthetic difference in differences: pretended blocks, resampled units, each unit left out.

With one treated unit only pretended blocks are left; with many that vary independently the three agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.synthdid import SyntheticDid, synthetic_did


def block_effects(
    y: np.ndarray,
    *,
    blocks: Sequence[np.ndarray],
    n_pre: int,
    method: str = "sdid",
    exclude: np.ndarray | None = None,
    zeta_omega: float | None = None,
    zeta_lambda: float | None = None,
) -> np.ndarray:
    """The estimate for each block of units, as if that block had been treated: the draws of a placebo test.

    Parameters
    ----------
    y : (N, T) array
        Units in any order; the first ``n_pre`` columns precede treatment.
    blocks : sequence of integer arrays
        Row numbers of each pretended treated block.
    n_pre : int
        Number of earlier periods.
    method : {"sdid", "sc", "did"}
    exclude : integer array, optional
        Rows that are never donors (the units that were really treated), unless they are in the block itself.
    zeta_omega, zeta_lambda : float, optional
        As in :func:`synthetic_did`; by default each block's own, so that every block gets the very same
        procedure.

    Returns
    -------
    (len(blocks),) array
        In the units of ``y``.

    Raises
    ------
    DesignError
        As :func:`synthetic_did`, or a block that names a row twice or a row that is not there.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [5.0, 6.0, 9.0]])
    >>> block_effects(y, blocks=[np.array([2]), np.array([0])], n_pre=2, method="did").round(2)
    array([ 2., -1.])
    """
    y = np.asarray(y, float)
    if y.ndim != 2:
        raise DesignError(f"y must have units in rows and periods in columns, found {y.ndim} dimension(s)")
    donors = np.ones(y.shape[0], bool)
    if exclude is not None:
        donors[np.asarray(exclude, int)] = False
    effects = np.empty(len(blocks))
    for k, block in enumerate(blocks):
        block = np.asarray(block, int)
        if (
            block.size == 0
            or np.unique(block).size != block.size
            or block.min() < 0
            or block.max() >= y.shape[0]
        ):
            raise DesignError(
                f"block {k} must name different rows between 0 and {y.shape[0] - 1}, at least one"
            )
        control = donors.copy()
        control[block] = False
        panel = np.concatenate([y[control], y[block]])
        effects[k] = synthetic_did(
            panel,
            n_control=int(control.sum()),
            n_pre=n_pre,
            method=method,
            zeta_omega=zeta_omega,
            zeta_lambda=zeta_lambda,
        ).estimate
    return effects


def placebo_effects(
    y: np.ndarray, *, n_control: int, n_pre: int, draws: int, seed: int, method: str = "sdid"
) -> np.ndarray:
    """Estimates of random blocks of controls that take the place of the treated, (draws,).

    Their standard deviation is the standard error of ``vcov(method = "placebo")`` of R synthdid but for the
    random draws: it holds where treated and controls vary alike, and is the only one of the three with a
    single treated unit. The regularisation is that of the real estimate.

    Raises
    ------
    DesignError
        No more controls than treated units.

    Examples
    --------
    >>> y = np.add.outer([0.0, 1.0, 2.0, 5.0], [0.0, 1.0, 2.0, 3.0])
    >>> float(placebo_effects(y, n_control=3, n_pre=3, draws=50, seed=1).std().round(6))
    0.0
    """
    real = synthetic_did(y, n_control=n_control, n_pre=n_pre, method=method)
    if n_control <= real.n_treated:
        raise DesignError(
            "a placebo standard error needs more controls than treated units, found "
            f"{n_control} and {real.n_treated}; "
            "use jackknife_standard_error or bootstrap_effects"
        )
    _checked_draws(draws)
    rng = np.random.default_rng(seed)
    controls = np.asarray(y, float)[:n_control]
    blocks = [rng.permutation(n_control)[: real.n_treated] for _ in range(draws)]
    return block_effects(
        controls,
        blocks=blocks,
        n_pre=n_pre,
        method=method,
        zeta_omega=real.zeta_omega,
        zeta_lambda=real.zeta_lambda,
    )


def bootstrap_effects(
    y: np.ndarray, *, n_control: int, n_pre: int, draws: int, seed: int, method: str = "sdid"
) -> np.ndarray:
    """Estimates from units drawn with replacement, (draws,); a draw without both arms is drawn again.

    The weights are sought anew in every draw. Their standard deviation is the standard error of
    ``vcov(method = "bootstrap")`` of R synthdid but for the random draws; it needs many treated units.

    Raises
    ------
    DesignError
        One treated unit: its own variation cannot be resampled.
    """
    real = synthetic_did(y, n_control=n_control, n_pre=n_pre, method=method)
    _refuse_one_treated(real, "bootstrap")
    _checked_draws(draws)
    rng = np.random.default_rng(seed)
    panel, units = np.asarray(y, float), n_control + real.n_treated
    effects = np.empty(draws)
    for k in range(draws):
        while True:
            rows = np.sort(rng.integers(units, size=units))
            control = int((rows < n_control).sum())
            if 0 < control < units:
                break
        effects[k] = synthetic_did(
            panel[rows],
            n_control=control,
            n_pre=n_pre,
            method=method,
            zeta_omega=real.zeta_omega,
            zeta_lambda=real.zeta_lambda,
        ).estimate
    return effects


def jackknife_standard_error(y: np.ndarray, *, n_control: int, n_pre: int, method: str = "sdid") -> float:
    """Standard error from leaving out each unit in turn, with the weights held and rescaled.

    Equals ``vcov(method = "jackknife")`` of R synthdid. Its assumption: many treated units that vary
    independently.

    Raises
    ------
    DesignError
        One treated unit, or all weight on one control.
    """
    real = synthetic_did(y, n_control=n_control, n_pre=n_pre, method=method)
    _refuse_one_treated(real, "jackknife")
    if np.count_nonzero(real.omega) == 1:
        raise DesignError(
            "a jackknife standard error needs weight on more than one control; use placebo_effects"
        )
    effects = np.concatenate(leave_one_out_effects(y, real))
    n = effects.size
    return float(np.sqrt((n - 1) ** 2 / n * effects.var(ddof=1)))


def leave_one_out_effects(y: np.ndarray, real: SyntheticDid) -> tuple[np.ndarray, np.ndarray]:
    """The estimate without each control (N0,) and without each treated unit (N1,), weights held and rescaled.

    ``y`` is the panel of ``real``. NaN where leaving out leaves nothing.

    Examples
    --------
    >>> y = np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 2.0], [4.0, 4.0, 8.0], [4.0, 4.0, 9.0]])
    >>> real = synthetic_did(y, n_control=2, n_pre=2, method="did")
    >>> [part.tolist() for part in leave_one_out_effects(y, real)]
    [[4.5, 3.5], [4.5, 3.5]]
    """
    y = np.asarray(y, float)
    # one number per unit: its later mean minus its weighted earlier periods
    change = y[:, real.n_pre :].mean(axis=1) - y[:, : real.n_pre] @ real.lambda_
    control, treated = change[: real.n_control], change[real.n_control :]
    together = real.omega @ control
    with np.errstate(divide="ignore", invalid="ignore"):
        without_control = treated.mean() - (together - real.omega * control) / (1 - real.omega)
        without_treated = (treated.sum() - treated) / (treated.size - 1) - together
    return (
        np.where(real.omega < 1, without_control, np.nan),
        without_treated if treated.size > 1 else np.full(1, np.nan),
    )


def _checked_draws(draws: int) -> None:
    if draws < 2:
        raise DesignError(f"a standard deviation over draws needs two or more draws, found {draws}")


def _refuse_one_treated(real: SyntheticDid, what: str) -> None:
    if real.n_treated == 1:
        raise DesignError(
            f"a {what} standard error needs two or more treated units, found 1; use "
            "placebo_effects or block_effects"
        )
