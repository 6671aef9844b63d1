"""Wild cluster bootstrap of t: every cluster's residuals times one random number.

Assumption: clusters are independent, and there are enough of them on each side of the contrast that the sign
of a cluster's residuals carries no information about the effect; with few treated clusters it may err either
way.

A draw's t needs no new outcome. In orthonormal coordinates its numerator is linear in the clusters' numbers
v, and the clusters' scores after refitting are v_h q_h - k_h'(S'v): the square, summed over clusters, expands
into products of the draws with a few columns per cluster. Under the null that the contrast is x, residuals
are linear in x, so that a draw is five numbers, as in :mod:`pluseval.numerics.invert`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.cluster import ClusterCov, cluster_cov
from pluseval.numerics.invert import Interval, Resampling
from pluseval.numerics.linear import LinearFit
from pluseval.numerics.products import tall_product

DISTRIBUTIONS = ("rademacher", "webb", "mammen")
BLOCK = 4096  # draws held at a time; fixed, so that a seed gives the same draws on every machine
RANK = 1e-12
_WEBB = np.sqrt(np.array([1.5, 1.0, 0.5, 0.5, 1.0, 1.5])) * np.array([-1, -1, -1, 1, 1, 1])
_GOLDEN = (1 + np.sqrt(5)) / 2
_POINTS = {"rademacher": 2, "mammen": 2, "webb": 6}


@dataclass(frozen=True)
class WildBootstrap:
    """A wild cluster bootstrap of one contrast and all that its interval needs.

    Attributes
    ----------
    estimate, std_error : float
        The contrast and its CR1S standard error.
    distribution : {"rademacher", "webb", "mammen"}
    restricted : bool
        Whether residuals are those under the null hypothesis (WCR) or of the free fit (WCU).
    n_clusters : int
    n_draws : int
    enumerated : bool
        Whether all 2^G sign vectors were used.
    resampling : Resampling
        Ties with the observed statistic are not counted, as in fwildclusterboot; under enumeration the two
        vectors of equal signs always tie. With Mammen's weights the vector of only low numbers, which has
        probability 0.7236^G, ties too: R counts it or not as rounding falls, here it is counted.
    """

    estimate: float
    std_error: float
    distribution: str
    restricted: bool
    n_clusters: int
    n_draws: int
    enumerated: bool
    resampling: Resampling = field(repr=False)

    @property
    def statistic(self) -> float:
        """The t statistic of no effect."""
        return self.resampling.statistic()

    def p_value(self, null: float = 0.0, *, alternative: str = "two-sided") -> float:
        """Share of the draws whose t is more extreme than observed."""
        return self.resampling.p_value(null, alternative=alternative)

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """The values of the contrast that the same bootstrap with the same draws does not reject."""
        return self.resampling.interval(level, tails=tails)


def wild_bootstrap(
    fitted: LinearFit,
    cluster: ArrayLike,
    contrast: int | ArrayLike,
    *,
    distribution: str = "rademacher",
    restricted: bool = True,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> WildBootstrap:
    """Wild cluster bootstrap-t of one contrast of a linear fit.

    Parameters
    ----------
    fitted : LinearFit
        Weighted or with absorbed effects (nested in the clusters) too.
    cluster : labels (n,)
    contrast : index or vector (k,)
    distribution : {"rademacher", "webb", "mammen"}
        Rademacher signs are fully enumerated where 2^G is at most ``draws``; with fewer than 12 clusters
        Webb's six points are advised.
    restricted : bool
        Impose the null hypothesis on the residuals (recommended).
    draws, seed : int
    alpha : float
        The bootstrap is refused where too few different draws exist for a p-value this small.

    Returns
    -------
    WildBootstrap

    Raises
    ------
    DesignError
        As :func:`~pluseval.numerics.cluster.cluster_cov`; a contrast that rests on one cluster; too few
        clusters for ``alpha``; an unknown distribution.

    References
    ----------
    Cameron, Gelbach and Miller (2008), doi 10.1162/rest.90.3.414; Webb (2023), doi 10.1111/caje.12661;
    MacKinnon and Webb (2017), doi 10.1002/jae.2508. Equals ``fwildclusterboot::boottest``.

    Examples
    --------
    >>> import numpy as np
    >>> from pluseval.numerics.linear import fit
    >>> change = np.array([3.0, 4.5, 1.0, 2.0, 0.2, 1.1, 0.4])
    >>> made = fit(change, np.column_stack([np.ones(7), [1, 1, 1, 0, 0, 0, 0]]))
    >>> boot = wild_bootstrap(made, range(7), 1, draws=999, seed=1)
    >>> boot.enumerated, boot.n_draws, boot.p_value()
    (True, 128, 0.140625)
    """
    if distribution not in DISTRIBUTIONS:
        raise DesignError(f"a distribution is one of {', '.join(DISTRIBUTIONS)}, found {distribution!r}")
    cov = cluster_cov(fitted, cluster, kind="CR1S")
    G = cov.n_clusters
    require_draws_for(distribution, G, draws, alpha)
    plan = _Plan.of(cov, contrast, restricted)
    enumerated = distribution == "rademacher" and 2**G <= draws
    count = 2**G if enumerated else draws
    parts = np.empty((5, count))
    at = 0
    for numbers, squares in multipliers(distribution, G, count, seed, enumerated):
        parts[:, at : at + len(numbers)] = plan.parts(numbers, squares)
        at += len(numbers)
    return WildBootstrap(
        estimate=plan.estimate,
        std_error=plan.std_error,
        distribution=distribution,
        restricted=restricted,
        n_clusters=G,
        n_draws=count,
        enumerated=enumerated,
        resampling=Resampling(
            estimate=plan.estimate,
            variance=plan.std_error**2,
            n0=parts[0],
            n1=parts[1],
            d0=parts[2],
            d1=parts[3],
            d2=parts[4],
            added=False,
            strict=distribution != "mammen",
        ),
    )


def require_draws_for(distribution: str, G: int, draws: int, alpha: float) -> None:
    """Refuse a bootstrap that could not reach ``alpha`` whatever the data.

    Raises
    ------
    DesignError
        Fewer than one draw, or too few different ones for a p-value this small.
    """
    if draws < 1:
        raise DesignError(f"a bootstrap needs at least one draw, found {draws}")
    smallest = (1 if distribution == "mammen" else 2) / _POINTS[distribution] ** G
    if max(smallest, 1 / (draws + 1)) > alpha:
        raise DesignError(
            f"{G} clusters and {draws} draws give p no smaller than {max(smallest, 1 / (draws + 1)):.3g}, "
            f"above {alpha:g}; use Webb's weights, more draws, or CR2 with Bell-McCaffrey degrees of freedom"
        )


@dataclass(frozen=True)
class _Plan:
    """The columns per cluster whose products with the draws give the five numbers of each."""

    estimate: float
    std_error: float
    columns: np.ndarray  # (G, 2 + 4r): q, slope of q, then score, its slope, cross, its slope, r columns each
    squares: np.ndarray  # (G, 3): q^2, q times its slope, slope^2
    scale: float  # CR1S variance over the plain sum of squares

    @classmethod
    def of(cls, cov: ClusterCov, contrast: int | ArrayLike, restricted: bool) -> _Plan:
        c = cov.contrast_vector(contrast)
        parts = cov.parts
        direction = parts.rotate.T @ c
        spread = parts.grams @ direction
        slope = spread / (direction @ direction) if restricted else np.zeros_like(spread)
        left, size, right = np.linalg.svd(spread, full_matrices=False)
        r = int(np.sum(size > RANK * size[0]))
        member, axes = left[:, :r], size[:r, None] * right[:r]
        q, dq = parts.scores @ direction, slope @ direction
        blocks = [
            parts.scores @ axes.T,
            slope @ axes.T,
            q[:, None] * member,
            dq[:, None] * member,
        ]
        std_error = cov.std_error(contrast)
        return cls(
            estimate=float(c @ cov.coef),
            std_error=std_error,
            columns=np.column_stack([q, dq, *blocks]),
            squares=np.column_stack([q**2, q * dq, dq**2]),
            scale=std_error**2 / float(q @ q),
        )

    def parts(self, numbers: np.ndarray, squares: np.ndarray | None) -> np.ndarray:
        """The five numbers of each draw; ``squares`` None where all of them are 1."""
        made = tall_product(numbers, self.columns).T
        top, dtop = made[0], made[1]
        score, dscore, cross, dcross = np.split(made[2:], 4)
        if squares is None:
            s0, s1, s2 = self.squares.sum(axis=0)
        else:
            s0, s1, s2 = tall_product(squares, self.squares).T
        v0 = np.maximum(s0 + np.sum((score - 2 * cross) * score, axis=0), 0.0)
        v1 = s1 + np.sum((score - cross) * dscore - dcross * score, axis=0)
        v2 = np.maximum(s2 + np.sum((dscore - 2 * dcross) * dscore, axis=0), 0.0)
        b = self.estimate  # from the distance to the estimate to the trial value itself
        return np.stack(
            [
                top + b * dtop,
                -dtop,
                self.scale * (v0 + b * (2 * v1 + b * v2)),
                -self.scale * (v1 + b * v2),
                self.scale * v2,
            ]
        )


def multipliers(
    distribution: str, G: int, count: int, seed: int, enumerated: bool
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Blocks of the clusters' numbers ``(b, G)``, and their squares unless these are all 1."""
    rng = np.random.default_rng(seed)
    bits = np.arange(G, dtype=np.int64)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        if enumerated:
            up = (np.arange(start, start + size, dtype=np.int64)[:, None] >> bits) & 1
            yield 2.0 * up - 1.0, None
        elif distribution == "rademacher":
            raw = np.frombuffer(rng.bytes((size * G + 7) // 8), dtype=np.uint8)
            yield 2.0 * np.unpackbits(raw, count=size * G).reshape(size, G) - 1.0, None
        elif distribution == "webb":
            numbers = np.take(_WEBB, rng.integers(0, 6, size=(size, G), dtype=np.uint8))
            yield numbers, numbers**2
        else:
            low = rng.random((size, G), dtype=np.float32) < _GOLDEN / np.sqrt(5)
            numbers = np.where(low, 1 - _GOLDEN, _GOLDEN)
            yield numbers, numbers**2
