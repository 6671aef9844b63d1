"""Cluster-robust covariances with small-sample degrees of freedom, from sums per cluster.

Rows may be dependent in any way within a cluster and are independent between clusters. The working model,
which sets the correction of CR2 and the degrees of freedom but not the validity with many clusters, is
clubSandwich's for ``lm``: independent errors of one variance, weighted or not.

No matrix of rows by rows is made. In coordinates in which the design is orthonormal (M = I) everything that
is needed of cluster j is k x k: its Gram matrix, its scores, and the bias correction, which is a function of
that Gram matrix. Only CR2 with weights needs more (the weights break the symmetry); there the rows of a
cluster are first rotated to at most 2k + 2a of them, a the number of absorbed effects of that cluster, which
is exact because the working model is the identity.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.linear import LinearFit, TTest, require_noise, t_test
from pluseval.numerics.products import tall_product

KINDS = ("CR0", "CR1", "CR1S", "CR1P", "CR2", "CR3")
SINGULAR = 1e-10  # eigenvalue of I - H that counts as zero, where the generalised inverse is taken
ALONE = 1e-6  # share of a contrast that may lie in what one cluster alone identifies


@dataclass(frozen=True)
class ClusterCov:
    """A cluster-robust covariance that knows its degrees of freedom.

    Attributes
    ----------
    coef : ndarray (k,)
    cov : ndarray (k, k)
    kind : str
    n_clusters : int
    parts : ClusterParts
        What the clusters hold, for procedures that build on them.

    Notes
    -----
    A contrast is the index of a coefficient or a vector (k,).
    """

    coef: np.ndarray
    cov: np.ndarray
    kind: str
    n_clusters: int
    parts: ClusterParts = field(repr=False)

    def std_error(self, contrast: int | ArrayLike) -> float:
        """Standard error of a contrast.

        Raises
        ------
        DesignError
            The contrast rests on one cluster alone, as with one treated practice.
        """
        c = self.contrast_vector(contrast)
        return float(np.sqrt(c @ self.cov @ c))

    def df(self, contrast: int | ArrayLike) -> float:
        """Bell-McCaffrey (Satterthwaite) degrees of freedom of a contrast under the working model."""
        r, a, b = self.parts.of(self.contrast_vector(contrast))
        S = self.parts.meat
        inner = np.einsum("gi,ij,gj->g", a, S, a) - 2 * np.einsum("gi,gi->g", a, b)
        both = np.concatenate([a, b], axis=1)
        k = a.shape[1]
        middle = np.block([[S, -np.eye(k)], [-np.eye(k), np.zeros((k, k))]]) @ (both.T @ both)
        return float(np.sum(r + inner) ** 2 / (np.sum(r**2 + 2 * r * inner) + np.sum(middle * middle.T)))

    def test(self, contrast: int | ArrayLike, *, null: float = 0.0, level: float = 0.95) -> TTest:
        """t test and interval of a contrast with Satterthwaite's degrees of freedom."""
        estimate = float(self.contrast_vector(contrast) @ self.coef)
        return t_test(estimate, self.std_error(contrast), self.df(contrast), null=null, level=level)

    def effective_clusters(self, contrast: int | ArrayLike) -> float:
        """Effective number of clusters for a contrast (Carter, Schnepel and Steigerwald, rows independent).

        References
        ----------
        Carter, Schnepel and Steigerwald (2017), doi 10.1162/REST_a_00639.
        """
        c = self.parts.rotate.T @ self.contrast_vector(contrast)
        share = np.einsum("i,gij,j->g", c, self.parts.meats, c)
        spread = np.mean((share / share.mean() - 1) ** 2)
        return float(self.n_clusters / (1 + spread))

    def contrast_vector(self, contrast: int | ArrayLike) -> np.ndarray:
        """A contrast as a vector (k,), refused where it rests on one cluster alone."""
        c = np.asarray(contrast, dtype=float)
        if c.ndim == 0:
            index = int(c)
            if not -self.coef.size <= index < self.coef.size:
                raise DesignError(f"there are {self.coef.size} coefficients, no index {index}")
            c = np.eye(self.coef.size)[index]
        if c.shape != self.coef.shape or not np.any(c):
            raise DesignError(f"a contrast must be ({self.coef.size},) and not zero, found {c.shape}")
        self.parts.require_several(c)
        return c


@dataclass(frozen=True)
class ClusterParts:
    """What a contrast needs of each cluster, in orthonormal coordinates (K of them, G clusters).

    The linear form of cluster j in its residuals is g'e with g = A'Zc; ``norms``, ``on_x`` and ``on_z``
    (G, K, K) give g'(I-H_D)(I-H_D)'g, X'g and Z'(I-H_D)'g, so that the products of the columns of (I-H)'g
    are at hand.
    """

    scores: np.ndarray  # (G, K) X'We
    grams: np.ndarray  # (G, K, K) X'WX
    rotate: np.ndarray  # (k, K) from orthonormal coordinates to coefficients
    norms: np.ndarray
    on_x: np.ndarray
    on_z: np.ndarray
    meats: np.ndarray  # (G, K, K) X'W^2X of each cluster
    meat: np.ndarray  # (K, K) their sum
    alone: np.ndarray  # (d, K) directions that a single cluster identifies

    def of(self, contrast: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three of a contrast: (G,), (G, K), (G, K)."""
        c = self.rotate.T @ contrast
        return np.einsum("i,gij,j->g", c, self.norms, c), self.on_x @ c, self.on_z @ c

    def require_several(self, contrast: np.ndarray) -> None:
        """Refuse a contrast that one cluster alone identifies."""
        c = self.rotate.T @ contrast
        if self.alone.size and np.max(np.abs(self.alone @ c)) > ALONE * np.linalg.norm(c):
            raise DesignError(
                "the contrast rests on one cluster alone (one treated practice?), so no variance between "
                "clusters can be estimated; compare that one with placebo units instead"
            )


def cluster_cov(
    fitted: LinearFit, cluster: ArrayLike, *, kind: str = "CR2", count_absorbed: bool = True
) -> ClusterCov:
    """Cluster-robust covariance of a fit: CR0, CR1, CR1S, CR1P, CR2 or CR3.

    Parameters
    ----------
    fitted : LinearFit
    cluster : labels (n,)
    kind : str
        ``CR0`` no correction; ``CR1`` G/(G-1); ``CR1S`` Stata's G/(G-1) (N-1)/(N-K); ``CR1P`` G/(G-K);
        ``CR2`` Bell and McCaffrey's, unbiased under the working model; ``CR3`` leave one cluster out.
    count_absorbed : bool
        Whether K of ``CR1S`` counts the absorbed effects that are nested in the clusters (lm, Stata's
        ``regress``) or counts them as the one constant they hold (fixest's default,
        ``K.fixef = "nonnested"``).

    Returns
    -------
    ClusterCov

    Raises
    ------
    DesignError
        Fewer than two clusters, absorbed effects that cross clusters, no residual variance, an unknown kind,
        or ``CR1P`` with as many coefficients as clusters.

    Notes
    -----
    Equals ``clubSandwich::vcovCR`` on ``lm`` with one factor for each absorbed effect, weighted and
    unbalanced too. Where practice effects make clubSandwich's CR3 not computable, the CR3 given here leaves
    out a practice with its own effect.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28; Pustejovsky and Tipton (2018),
    doi 10.1080/07350015.2016.1247004.

    Examples
    --------
    >>> import numpy as np
    >>> from pluseval.numerics.linear import fit
    >>> treated = np.repeat([1.0, 1.0, 0.0, 0.0, 0.0], 2)
    >>> made = fit([3, 4, 6, 5, 1, 2, 2, 3, 0, 1], np.column_stack([np.ones(10), treated]))
    >>> result = cluster_cov(made, np.repeat(range(5), 2)).test(1)
    >>> round(result.estimate, 6), round(result.std_error, 6), round(result.df, 6)
    (3.0, 1.154701, 2.272727)
    """
    if kind not in KINDS:
        raise DesignError(f"no cluster-robust covariance is called {kind!r}; use one of {', '.join(KINDS)}")
    require_noise(fitted)
    order, starts, codes = group_rows(cluster, fitted.nobs)
    G = starts.size - 1
    if G < 2:
        raise DesignError(f"a cluster-robust covariance needs at least two clusters, found {G}")
    _require_nested(fitted, codes)
    sums = [_sums(rows) for rows in _blocks(fitted, order, starts)]
    grams, meats, scores = (np.stack(part) for part in zip(*sums, strict=True))
    values, vectors = np.linalg.eigh(grams)
    if kind == "CR2" and fitted.weights is not None:
        pieces = [_weighted_cr2(rows, meats.sum(axis=0)) for rows in _blocks(fitted, order, starts)]
        adjusted, norms, on_x, on_z = (np.stack(part) for part in zip(*pieces, strict=True))
    else:
        correct = _correction(grams, {"CR2": -0.5, "CR3": -1.0}.get(kind, 0.0))
        adjusted = np.einsum("gij,gj->gi", correct, scores)
        on_x, on_z = grams @ correct, meats @ correct
        norms = correct @ on_z
    rotate = fitted.to_orthonormal[-fitted.n_coef :]
    cov = rotate @ (adjusted.T @ adjusted) @ rotate.T * _factor(kind, fitted, G, count_absorbed)
    alone = np.swapaxes(vectors, 1, 2)[values >= 1 - 10 * SINGULAR]
    parts = ClusterParts(scores, grams, rotate, norms, on_x, on_z, meats, meats.sum(axis=0), alone)
    return ClusterCov(coef=fitted.coef, cov=cov, kind=kind, n_clusters=G, parts=parts)


def imbens_kolesar_df(fitted: LinearFit, cluster: ArrayLike, contrast: int | ArrayLike) -> float:
    """Degrees of freedom of CR2 when the working model has one correlation within clusters, estimated.

    Raises
    ------
    DesignError
        A weighted fit or one with absorbed effects, for which the method is not defined.

    References
    ----------
    Imbens and Kolesar (2016), doi 10.1162/REST_a_00552. R: ``dfadjust::dfadjustSE(IK = TRUE)``.
    """
    if fitted.weights is not None or fitted.absorbed is not None:
        raise DesignError("Imbens-Kolesar degrees of freedom need an unweighted fit without absorbed effects")
    made = cluster_cov(fitted, cluster, kind="CR2")
    c = made.contrast_vector(contrast)
    parts = made.parts
    order, starts, _ = group_rows(cluster, fitted.nobs)
    r, a, _ = parts.of(c)
    rows = tall_product(fitted.design, fitted.to_orthonormal)[order]
    totals = np.add.reduceat(rows, starts[:-1], axis=0)
    errors = np.add.reduceat(fitted.residuals[order], starts[:-1])
    sizes = np.diff(starts)
    rss = float(fitted.residuals @ fitted.residuals)
    rho = max((float(errors @ errors) - rss) / max(float(sizes @ sizes) - fitted.nobs, 1.0), 0.0)
    noise = max(rss / fitted.nobs - rho, 0.0)
    own = np.einsum("gi,gij,j->g", totals, _correction(parts.grams, -0.5), parts.rotate.T @ c)
    shared = np.diag(own) - a @ totals.T
    spread = noise * (np.diag(r) - a @ a.T) + rho * (shared @ shared.T)
    return float(np.trace(spread) ** 2 / np.sum(spread**2))


def group_rows(labels: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in the order of their cluster, where each cluster starts, and the code of every row."""
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise DesignError(f"cluster labels must be ({n},), found {labels.shape}")
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        raise DesignError(f"{int(np.sum(~np.isfinite(labels)))} rows have no cluster")
    _, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    return order, starts, codes


@dataclass(frozen=True)
class _Rows:
    """The rows of one cluster: orthonormal regressors, weights, residuals and absorbed codes."""

    X: np.ndarray
    w: np.ndarray | None
    e: np.ndarray
    absorbed: np.ndarray | None


def _blocks(fitted: LinearFit, order: np.ndarray, starts: np.ndarray) -> Iterator[_Rows]:
    w, absorbed, e, design = fitted.weights, fitted.absorbed, fitted.residuals, fitted.design
    if np.any(np.diff(order) != 1):
        e, design = e[order], design[order]
        w = None if w is None else w[order]
        absorbed = None if absorbed is None else absorbed[order]
    X = tall_product(design, fitted.to_orthonormal)
    for start, end in itertools.pairwise(starts):
        rows = slice(start, end)
        yield _Rows(
            X[rows], None if w is None else w[rows], e[rows], None if absorbed is None else absorbed[rows]
        )


def _sums(rows: _Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X'WX, X'W^2X and X'We of one cluster."""
    if rows.w is None:
        gram = rows.X.T @ rows.X
        return gram, gram, rows.X.T @ rows.e
    Z = rows.X * rows.w[:, None]
    return rows.X.T @ Z, Z.T @ Z, Z.T @ rows.e


def _correction(grams: np.ndarray, power: float) -> np.ndarray:
    """(I - X'X) of each cluster to a power, generalised inverse where a cluster alone holds a direction."""
    if power == 0:
        return np.broadcast_to(np.eye(grams.shape[1]), grams.shape)
    values, vectors = np.linalg.eigh(grams)
    kept = 1 - values > SINGULAR
    scale = np.where(kept, np.where(kept, 1 - values, 1.0) ** power, 0.0)
    return (vectors * scale[:, None, :]) @ np.swapaxes(vectors, 1, 2)


def _weighted_cr2(rows: _Rows, S: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Adjusted score of one cluster under weights, and its parts for the degrees of freedom."""
    k = rows.X.shape[1]
    w = np.ones((rows.e.size, 1)) if rows.w is None else rows.w[:, None]
    if rows.absorbed is None:
        own = np.zeros((rows.e.size, 0))
    else:
        own = (rows.absorbed[:, None] == np.unique(rows.absorbed)).astype(float)
    a = own.shape[1]
    mass = np.sum(own * w, axis=0)
    block = np.concatenate([own, own * w, rows.X, rows.X * w, rows.e[:, None]], axis=1)
    width = block.shape[1] - 1
    if block.shape[0] > width:  # an orthogonal rotation that leaves zeros below row `width`
        block = np.asarray(np.linalg.qr(block, mode="r"))[:width]
    D, WD, X, Z, e = np.split(block, [a, 2 * a, 2 * a + k, 2 * a + 2 * k], axis=1)
    keep = np.eye(block.shape[0]) - (D / mass) @ WD.T
    cross = keep @ Z @ X.T
    values, vectors = np.linalg.eigh(keep @ keep.T - cross - cross.T + X @ S @ X.T)
    kept = values > SINGULAR
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    T = (vectors * scale) @ (vectors.T @ Z)
    kept_T = keep.T @ T
    return T.T @ e[:, 0], kept_T.T @ kept_T, X.T @ T, Z.T @ kept_T


def _factor(kind: str, fitted: LinearFit, G: int, count_absorbed: bool) -> float:
    K = fitted.rank
    if not count_absorbed and fitted.absorbed is not None:
        K = K - fitted.n_absorbed + 1
    if kind == "CR1P":
        if G <= K:
            raise DesignError(f"CR1P needs more clusters than coefficients, found {G} and {K}; use CR2")
        return G / (G - K)
    if kind in {"CR1", "CR1S"}:
        stata = (fitted.nobs - 1) / (fitted.nobs - K) if kind == "CR1S" else 1.0
        return G / (G - 1) * stata
    return 1.0


def _require_nested(fitted: LinearFit, codes: np.ndarray) -> None:
    if fitted.absorbed is None:
        return
    first = np.full(fitted.n_absorbed, -1)
    first[fitted.absorbed] = codes
    crossing = np.unique(fitted.absorbed[first[fitted.absorbed] != codes]).size
    if crossing:
        raise DesignError(
            f"{crossing} absorbed effects have rows in more than one cluster; absorb first the effect that "
            "is nested in the clusters (the practice), and after it those that cross them (the year)"
        )
