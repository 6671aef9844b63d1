"""Likelihood of nested random intercepts and its derivatives, from sums over cells and patients.

With V = I + a Z_a Z_a' + Z G Z' (residual variance 1; Z_a patients, Z practice-periods, G = b I + c J for
the variances b of practice x period and c of practice) every quantity follows from D = I + a Z_a Z_a' and,
per practice,

    M = Z' D^-1 Z,   R = Z' D^-1 W,   K = (I + G M)^-1 G,   V^-1 = D^-1 - D^-1 Z K Z' D^-1,   W = [X y].

K stays finite where G is singular, so a variance of zero needs no special case.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.numerics.mixed_sums import NestedSums

EFFECTS = ("patient", "practice_period", "practice")


def _none() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Pieces:
    """Pieces of the likelihood at ratios of variances to the residual variance (component 0 is the residual).

    Attributes
    ----------
    log_determinant : float
        log |V|.
    weighted : (q, q) array
        W' V^-1 W.
    traces : (c,) array, empty without derivatives
        tr(V^-1 G_i).
    first : (c, q, q) array, empty without derivatives
        W' V^-1 G_i V^-1 W.
    second : (c, c, q, q) array, empty without derivatives
        W' V^-1 G_i V^-1 G_j V^-1 W.
    trace_products : (c, c) array, empty without derivatives
        tr(V^-1 G_i V^-1 G_j).
    """

    log_determinant: float
    weighted: np.ndarray
    traces: np.ndarray = field(default_factory=_none)
    first: np.ndarray = field(default_factory=_none)
    second: np.ndarray = field(default_factory=_none)
    trace_products: np.ndarray = field(default_factory=_none)


def period_matrices(effects: tuple[str, ...], n_periods: int) -> list[np.ndarray]:
    """The practice-period covariance that one unit of each practice-level variance gives."""
    shapes = {"practice_period": np.eye(n_periods), "practice": np.ones((n_periods, n_periods))}
    return [shapes[e] for e in effects if e != "patient"]


def pieces(
    sums: NestedSums, ratios: np.ndarray, *, effects: tuple[str, ...], derivatives: bool = True
) -> Pieces:
    """Evaluate the pieces at variance ratios, in the order of ``effects`` (patient first if present)."""
    ratios = np.asarray(ratios, dtype=float)
    with_patients = bool(effects) and effects[0] == "patient"
    a = ratios[0] if with_patients else 0.0
    n_periods = sums.cell_rows.shape[1]
    shapes = period_matrices(effects, n_periods)
    level = ratios[1:] if with_patients else ratios
    gamma = sum((v * s for v, s in zip(level, shapes, strict=True)), np.zeros((n_periods, n_periods)))
    identity = np.eye(n_periods)

    cell_m = sums.cell_rows[:, :, None] * identity
    cell_r, weighted = sums.cell_sums, sums.products
    log_determinant = 0.0
    if with_patients:
        h = 1.0 / (1.0 + a * sums.sizes)
        shrink = np.stack([a * h, h**2, sums.sizes * h**3])
        count_products = _by_size(shrink, sums.count_products)
        count_sums = _by_size(shrink, sums.count_sums)
        sum_products = _by_size(shrink, sums.sum_products)
        cell_m = cell_m - count_products[0]
        cell_r = cell_r - count_sums[0]
        weighted = weighted - sum_products[0]
        log_determinant -= float(sums.size_patients @ np.log(h))
    inner = identity + gamma @ cell_m
    kernel = np.linalg.solve(inner, np.broadcast_to(gamma, inner.shape))
    log_determinant += float(np.linalg.slogdet(inner)[1].sum())
    kernel_r = kernel @ cell_r
    weighted = weighted - _stacked(cell_r, kernel_r)
    if not derivatives:
        return Pieces(log_determinant, weighted)

    keep = identity - kernel @ cell_m  # I - K M
    full_m = cell_m @ keep  # Z' V^-1 Z
    full_r = cell_r - cell_m @ kernel_r  # Z' V^-1 W
    n_components, q = 1 + len(effects), weighted.shape[0]
    traces = np.zeros(n_components)
    first = np.zeros((n_components, q, q))
    second = np.zeros((n_components, n_components, q, q))
    trace_products = np.zeros((n_components, n_components))

    start = 2 if with_patients else 1
    shaped_r = [s @ full_r for s in shapes]
    shaped_m = [full_m @ s for s in shapes]
    for i, s_i in enumerate(shapes):
        place = start + i
        traces[place] = np.sum(full_m * s_i)
        first[place] = _stacked(full_r, shaped_r[i])
        for j in range(i, len(shapes)):
            other = start + j
            second[place, other] = _stacked(shaped_r[i], full_m @ shaped_r[j])
            trace_products[place, other] = np.sum(shaped_m[i] * shaped_m[j].swapaxes(1, 2))
    if with_patients:
        ff, fs, ss = count_products[1], count_sums[1], sum_products[1]  # F'F, F'S, S'S with F, S scaled by h
        dff, dfs, dss = count_products[2], count_sums[2], sum_products[2]  # the same weighted by d = m h
        d = sums.sizes * h
        ff_k = ff @ kernel
        traces[1] = sums.size_patients @ d - np.sum(ff * kernel)
        f_h = fs - ff @ kernel_r  # F' H, where H = Z_a' V^-1 W
        cross = _stacked(fs, kernel_r)
        first[1] = ss - cross - cross.T + _stacked(kernel_r, ff @ kernel_r)
        d_cross = _stacked(dfs, kernel_r)
        second[1, 1] = (
            dss - d_cross - d_cross.T + _stacked(kernel_r, dff @ kernel_r) - _stacked(f_h, kernel @ f_h)
        )
        trace_products[1, 1] = (
            sums.size_patients @ d**2 - 2.0 * np.sum(kernel * dff) + np.sum(ff_k * ff_k.swapaxes(1, 2))
        )
        patient_m = keep.swapaxes(1, 2) @ ff @ keep
        patient_r = f_h.swapaxes(1, 2) @ keep  # H' F (I - K M)
        for j, s_j in enumerate(shapes):
            second[1, start + j] = _stacked(patient_r.swapaxes(1, 2), shaped_r[j])
            trace_products[1, start + j] = np.sum(patient_m * s_j)
    _fill_residual(sums, ratios, weighted, traces, first, second, trace_products)
    return Pieces(log_determinant, weighted, traces, first, second, trace_products)


def _fill_residual(
    sums: NestedSums,
    ratios: np.ndarray,
    weighted: np.ndarray,
    traces: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    trace_products: np.ndarray,
) -> None:
    """Mirror the upper triangle, and get the residual's pieces from I = V - sum of the other components."""
    n_components = traces.size
    for i in range(1, n_components):
        for j in range(i + 1, n_components):
            second[j, i] = second[i, j].T
            trace_products[j, i] = trace_products[i, j]
    traces[0] = sums.n_rows - ratios @ traces[1:]
    first[0] = weighted - np.tensordot(ratios, first[1:], axes=1)
    for j in range(1, n_components):
        second[0, j] = first[j] - np.tensordot(ratios, second[1:, j], axes=1)
        second[j, 0] = second[0, j].T
        trace_products[0, j] = trace_products[j, 0] = traces[j] - ratios @ trace_products[1:, j]
    second[0, 0] = first[0] - np.tensordot(ratios, second[1:, 0], axes=1)
    trace_products[0, 0] = traces[0] - ratios @ trace_products[1:, 0]


def _by_size(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums over the patients' size classes: (w, C) by (C, ...)."""
    return np.tensordot(weights, values, axes=1)


def _stacked(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum over practices of left' right, as one product of tall matrices."""
    q = left.shape[-1]
    return left.reshape(-1, q).T @ right.reshape(-1, right.shape[-1])


@dataclass(frozen=True)
class Criterion:
    """-2 log L (ML) or the REML criterion, and its derivatives in the residual's and the effects' variances.

    Attributes
    ----------
    value : float
    sigma2 : float
        Residual variance that is best at these ratios.
    coefficients : (k,) array
        In the basis columns of the sums.
    unscaled : (k, k) array
        (X' V^-1 X)^-1 with residual variance 1.
    gradient : (c,), observed, average : (c, c) arrays, empty without derivatives
        First and second derivatives with the residual variance as the unit; ``average`` is the average
        information (Gilmour, Thompson and Cullis 1995), positive semidefinite everywhere.
    """

    value: float
    sigma2: float
    coefficients: np.ndarray
    unscaled: np.ndarray
    gradient: np.ndarray = field(default_factory=_none)
    observed: np.ndarray = field(default_factory=_none)
    average: np.ndarray = field(default_factory=_none)


def criterion(p: Pieces, *, n_rows: int, reml: bool, sigma2: float | None = None) -> Criterion:
    """Profile the coefficients, and the residual variance unless it is given, out of the likelihood."""
    xx, xy, yy = p.weighted[:-1, :-1], p.weighted[:-1, -1], p.weighted[-1, -1]
    k = xx.shape[0]
    unscaled = np.linalg.inv(xx) if k else xx
    unscaled = (unscaled + unscaled.T) / 2.0
    beta = unscaled @ xy
    freedom = n_rows - k if reml else n_rows
    squares = max(float(yy - xy @ beta), np.finfo(float).tiny)
    if sigma2 is None:
        sigma2 = squares / freedom
    value = p.log_determinant + freedom * np.log(2.0 * np.pi * sigma2) + squares / sigma2
    if reml:
        value += float(np.linalg.slogdet(xx)[1])
    if not p.first.size:
        return Criterion(float(value), sigma2, beta, unscaled)
    contrast = np.append(-beta, 1.0) / np.sqrt(sigma2)
    on_residual = p.first @ contrast  # W' V^-1 G_i P y
    quadratic = on_residual @ contrast
    projected = on_residual[:, :-1]
    bend = np.einsum("q,ijqr,r->ij", contrast, p.second, contrast) - projected @ unscaled @ projected.T
    bend = (bend + bend.T) / 2.0
    traces, products = p.traces, p.trace_products
    if reml:
        traces, products = reml_traces(p, unscaled)
    return Criterion(float(value), sigma2, beta, unscaled, traces - quadratic, 2.0 * bend - products, bend)


def reml_traces(p: Pieces, unscaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tr(P G_i) and tr(P G_i P G_j), where P = V^-1 - V^-1 X (X' V^-1 X)^-1 X' V^-1."""
    k = unscaled.shape[0]
    spread = unscaled @ p.first[:, :k, :k]
    traces = p.traces - np.trace(spread, axis1=1, axis2=2)
    products = (
        p.trace_products
        - 2.0 * np.einsum("ab,ijba->ij", unscaled, p.second[:, :, :k, :k])
        + np.einsum("iab,jba->ij", spread, spread)
    )
    return traces, products
