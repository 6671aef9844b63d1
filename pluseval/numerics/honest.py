"""Honest difference in differences: bounds when trends after the start may differ as much as before.

From one period to the next the difference in trends may change by at most ``mbar`` times the largest change
seen before the start; the interval covers the effect under every such course.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from pluseval.errors import DesignError

_FIRST_STAGE = 0.1  # share of alpha spent on the least-favourable first stage, as in the paper
_REFINE = 32
_WIDEST = 12  # doublings of the grid before an interval is called unbounded


@dataclass(frozen=True)
class HonestInterval:
    """An interval that holds under a stated violation of parallel trends.

    Attributes
    ----------
    bound : float
        ``mbar`` or ``m``.
    low, high : float
        Ends (of the hull, where the set has gaps); infinite where no end was found, NaN where everything is
        rejected.
    connected : bool
        Whether the accepted values found form one interval.
    level : float
    """

    bound: float
    low: float
    high: float
    connected: bool
    level: float


def relative_magnitudes(
    coef: np.ndarray,
    cov: np.ndarray,
    *,
    n_pre: int,
    mbar: float,
    seed: int,
    weights: np.ndarray | None = None,
    level: float = 0.95,
    grid_points: int = 1_000,
    draws: int = 50_000,
) -> HonestInterval:
    """Interval for an effect when violations after the start are at most ``mbar`` times the worst before it.

    Assumption: ``coef`` is normal around effects plus trend difference, with ``cov`` known. Few treated
    units strain that. The test is the conditional / least-favourable hybrid. Its linear programme needs no
    solver: given which earlier change is the largest, the dual has one vertex per later period and two
    more, written down here.

    Parameters
    ----------
    coef : (P + Q,) array
        Event-study coefficients: P before the start, then Q from it on, in order; the reference is left out.
    cov : (P + Q, P + Q) array
    n_pre : int
        P.
    mbar : float
        Not negative; 0 is parallel trends after the start, 1 "no worse than before".
    seed : int
        Of the simulated first-stage critical value.
    weights : (Q,) array, optional
        The target is ``weights @ coef[P:]``; by default the first coefficient after the start.
    level : float
    grid_points : int
        Values tried around the estimate, 20 standard errors and the largest bias to both sides; the ends
        are then refined.
    draws : int
        For that critical value.

    Returns
    -------
    HonestInterval

    Raises
    ------
    DesignError
        No coefficient before or after the start, shapes that do not agree, or a negative ``mbar``.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), 2555-2591, doi:10.1093/restud/rdad018. Equals
    ``HonestDiD::createSensitivityResults_relativeMagnitudes(method = "C-LF")`` but for its 1,000 draws and
    its grid.

    Examples
    --------
    >>> out = relative_magnitudes(np.array([0.1, -0.1, 2.0]), 0.04 * np.eye(3), n_pre=2, mbar=1.0, seed=1)
    >>> bool(0 < out.low < 2 < out.high)
    True
    """
    coef, cov, weights = checked_coefficients(coef, cov, n_pre, weights, level)
    if not np.isfinite(mbar) or mbar < 0:
        raise DesignError(f"mbar must be a number of 0 or more, found {mbar}")
    if grid_points < 10:
        raise DesignError(f"grid_points must be 10 or more, found {grid_points}")
    if draws < 100:
        raise DesignError(f"the first-stage critical value needs 100 or more draws, found {draws}")
    noise = np.random.default_rng(seed).standard_normal((weights.size + 2, draws))
    alpha = 1 - level
    tests = []
    for largest in range(n_pre):
        for sign in (1.0, -1.0):
            vertices, slopes = _dual_vertices(cov, n_pre, largest, sign * mbar, sign, weights)
            tests.append(_HybridTest.prepare(vertices, slopes, coef, cov, alpha, noise))

    def accepted(theta: np.ndarray) -> np.ndarray:
        return np.any([test.accepts(theta) for test in tests], axis=0)

    spread = float(np.sqrt(weights @ cov[n_pre:, n_pre:] @ weights))
    worst = np.abs(np.diff(np.append(coef[:n_pre], 0.0))).max()
    bias = mbar * worst * np.abs(np.cumsum(weights[::-1])).sum()
    return _hull(
        accepted, float(weights @ coef[n_pre:]), 20 * spread + 2 * bias, grid_points, bound=mbar, level=level
    )


@dataclass(frozen=True)
class _HybridTest:
    """Test of one value of the target, given the earlier change that is the largest.

    ``start`` (V,) and ``slopes`` (V,) give each vertex's moment as ``start - slopes * theta``; ``cov`` (V,
    V) is theirs.
    """

    start: np.ndarray
    slopes: np.ndarray
    cov: np.ndarray
    first_stage: float
    size: float

    @classmethod
    def prepare(
        cls,
        vertices: np.ndarray,
        slopes: np.ndarray,
        coef: np.ndarray,
        cov: np.ndarray,
        alpha: float,
        noise: np.ndarray,
    ) -> _HybridTest:
        inner = vertices @ cov @ vertices.T
        values, vectors = np.linalg.eigh(inner)
        half = vectors * np.sqrt(np.maximum(values, 0))
        largest = (half @ noise).max(axis=0)
        kappa = _FIRST_STAGE * alpha
        return cls(
            start=vertices @ coef,
            slopes=slopes,
            cov=inner,
            first_stage=float(np.quantile(largest, 1 - kappa)),
            size=(alpha - kappa) / (1 - kappa),
        )

    def accepts(self, theta: np.ndarray) -> np.ndarray:
        moments = self.start - np.multiply.outer(theta, self.slopes)  # (points, V)
        at = moments.argmax(axis=1)
        largest = moments[np.arange(theta.size), at]
        variance = self.cov[at, at]
        safe = np.where(variance > 1e-14 * self.cov.max(), variance, np.nan)
        relative = self.cov[at] / safe[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = (moments - relative * largest[:, None]) / (1 - relative)
        low = np.where(relative < 1 - 1e-9, crossing, -np.inf).max(axis=1)
        high = np.where(relative > 1 + 1e-9, crossing, np.inf).min(axis=1)
        spread = np.sqrt(safe)
        high = np.minimum(high, self.first_stage)
        critical = np.maximum(0.0, _truncated_normal_quantile(1 - self.size, low / spread, high / spread))
        rejected = largest / spread > critical
        rejected = np.where(np.isnan(safe), largest > 1e-12 * np.sqrt(self.cov.max()), rejected)
        return ~(rejected | (largest > self.first_stage))


def _dual_vertices(
    cov: np.ndarray, n_pre: int, largest: int, bound: float, sign: float, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the dual as combinations of coefficients (V, P + Q), and the target in each (V,).

    Moments are each later change, up and down, minus ``mbar`` times the change number ``largest`` before
    the start.
    """
    n_post = weights.size
    change = np.zeros(n_pre + n_post)
    change[largest] = -1.0
    if largest + 1 < n_pre:  # else it ends at the reference, which is 0
        change[largest + 1] = 1.0
    later = np.zeros((n_post, n_pre + n_post))
    later[np.arange(n_post), n_pre + np.arange(n_post)] = 1.0
    later[np.arange(1, n_post), n_pre + np.arange(n_post - 1)] = -1.0
    up, down = later - bound * change, -later - bound * change
    sd_up, sd_down = (np.sqrt(np.einsum("ij,jk,ik->i", side, cov, side)) for side in (up, down))
    both = (up + down) / (sd_up + sd_down)[:, None]
    through = np.cumsum(weights[::-1])[::-1]  # the target as a sum of later changes
    positive, negative = np.maximum(through, 0), np.maximum(-through, 0)
    rows, slopes = [both], [np.zeros(n_post)]
    for first, second, direction in ((positive, negative, 1.0), (negative, positive, -1.0)):
        size = first @ sd_up + second @ sd_down
        rows.append((first @ up + second @ down)[None] / size)
        slopes.append(np.array([direction / size]))
    return np.vstack(rows), np.concatenate(slopes)


def _hull(
    accepted: Callable[[np.ndarray], np.ndarray],
    centre: float,
    reach: float,
    points: int,
    *,
    bound: float,
    level: float,
) -> HonestInterval:
    """Ends of the accepted set: a grid, widened while it accepts its own edge, then bisection."""
    for _ in range(_WIDEST):
        grid = np.linspace(centre - reach, centre + reach, points)
        inside = accepted(grid)
        if not (inside[0] or inside[-1]):
            break
        reach *= 2
    found = np.flatnonzero(inside)
    if found.size == 0:
        return HonestInterval(bound=bound, low=np.nan, high=np.nan, connected=True, level=level)

    def refined(within: float, without: float) -> float:
        for _ in range(6):  # many points at a time: cheaper than halving
            between = np.linspace(within, without, _REFINE)
            last_within = int(np.flatnonzero(accepted(between))[-1])
            if last_within == _REFINE - 1:
                return without
            within, without = between[last_within], between[last_within + 1]
        return within

    first, last = found[0], found[-1]
    return HonestInterval(
        bound=bound,
        low=-np.inf if first == 0 else refined(grid[first], grid[first - 1]),
        high=np.inf if last == points - 1 else refined(grid[last], grid[last + 1]),
        connected=bool(found.size == last - first + 1),
        level=level,
    )


def _truncated_normal_quantile(p: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Quantile of a standard normal on [low, high], in logarithms so that far tails do not vanish."""
    flip = low > 0  # work in the lower tail
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    share = np.where(flip, 1 - p, p)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_mass = log_b + np.log(share + (1 - share) * np.exp(np.minimum(log_a - log_b, 0)))
    quantile = np.clip(ndtri_exp(np.minimum(log_mass, 0)), a, b)
    return np.where(flip, -quantile, quantile)


def checked_coefficients(
    coef: np.ndarray, cov: np.ndarray, n_pre: int, weights: np.ndarray | None, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients, symmetric covariance and target weights, or a DesignError that says what is wrong."""
    coef, cov = np.asarray(coef, float), np.asarray(cov, float)
    if coef.ndim != 1 or cov.shape != (coef.size, coef.size):
        raise DesignError(f"shapes do not agree: coef {coef.shape}, cov {cov.shape}")
    if not 0 < n_pre < coef.size:
        raise DesignError(
            f"needs coefficients before and after the start, found {n_pre} before among "
            f"{coef.size}; the reference period "
            "is left out"
        )
    if not (np.isfinite(coef).all() and np.isfinite(cov).all()):
        raise DesignError("coefficients and covariance must be finite")
    if np.linalg.eigvalsh((cov + cov.T) / 2)[0] < -1e-8 * np.abs(cov).max() or (np.diag(cov) <= 0).any():
        raise DesignError(
            "the covariance is not positive definite; are there fewer clusters than coefficients?"
        )
    if not 0 < level < 1:
        raise DesignError(f"level must lie between 0 and 1, found {level}")
    n_post = coef.size - n_pre
    target = np.eye(n_post)[0] if weights is None else np.asarray(weights, float)
    if target.shape != (n_post,) or not np.isfinite(target).all() or not target.any():
        raise DesignError(f"weights must be {n_post} finite numbers, not all 0, found shape {target.shape}")
    return coef, (cov + cov.T) / 2, target
