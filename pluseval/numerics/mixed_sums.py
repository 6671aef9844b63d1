"""Sufficient statistics of nested random intercepts: sums per practice-period cell and per size of patient.

The likelihood, its two derivatives and the matrices of Kenward and Roger all depend on the rows only through

* sums of ``[X y]`` per practice-period cell, and
* per number of rows ``m`` that a patient has (its *size class*): the products of the patient's period
counts and sums.

A patient block of the covariance, ``I + a J``, has the inverse ``I - a / (1 + a m) J``, which is the same
for every patient of one size; what is left per practice is a matrix with one row per period. So one pass
over the rows pays for everything, and every later step costs practices x periods, never rows x rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pluseval.errors import DesignError

COLLINEAR = 1e-9  # share of a column's length left after the columns before it are projected out


@dataclass(frozen=True)
class NestedSums:
    """What the rows contribute, in ``q = k + 1`` columns: an orthonormal basis of X, the residual of y.

    Attributes
    ----------
    n_rows, n_columns : int
        Rows, and columns k of X.
    products : (q, q) array
        Cross products of the columns.
    cell_rows : (P, T) array
        Rows per practice and period (T = 1 where the model has no practice-period effect).
    cell_sums : (P, T, q) array
        Sums per practice and period.
    sizes, size_patients : (C,) arrays
        The numbers of rows that patients have, and how many patients have each; empty without patients.
    count_products : (C, P, T, T) array
        Sum over the patients of a size of the outer product of their period counts.
    count_sums : (C, P, T, q) array
        Sum over the patients of a size of period counts times the patient's column sums.
    sum_products : (C, q, q) array
        Sum over the patients of a size of the outer product of their column sums.
    patient_practice, patient_rows, patient_sums : arrays
        Practice code, period counts (N, T) and column sums (N, q) of each patient, for the BLUPs.
    basis : (k, k) array
        Upper triangle R with X = basis-columns @ R.
    ols : (k,) array
        Least squares coefficients, which the residual column has taken out of y.
    """

    n_rows: int
    n_columns: int
    products: np.ndarray
    cell_rows: np.ndarray
    cell_sums: np.ndarray
    sizes: np.ndarray
    size_patients: np.ndarray
    count_products: np.ndarray
    count_sums: np.ndarray
    sum_products: np.ndarray
    patient_practice: np.ndarray
    patient_rows: np.ndarray
    patient_sums: np.ndarray
    basis: np.ndarray
    ols: np.ndarray

    def combine(self, columns: np.ndarray) -> NestedSums:
        """The sums of ``[X y] @ columns``: a smaller model, or y with a trial effect taken off."""
        change = np.asarray(columns, dtype=float)
        return NestedSums(
            n_rows=self.n_rows,
            n_columns=change.shape[1] - 1,
            products=change.T @ self.products @ change,
            cell_rows=self.cell_rows,
            cell_sums=self.cell_sums @ change,
            sizes=self.sizes,
            size_patients=self.size_patients,
            count_products=self.count_products,
            count_sums=self.count_sums @ change,
            sum_products=change.T @ self.sum_products @ change,
            patient_practice=self.patient_practice,
            patient_rows=self.patient_rows,
            patient_sums=self.patient_sums @ change,
            basis=np.eye(change.shape[1] - 1),
            ols=np.zeros(change.shape[1] - 1),
        )


def codes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct labels, and for each row the place of its label among them."""
    labels = np.asarray(labels)
    if labels.dtype.kind in "iu" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if high - low <= 4 * labels.size:  # a table of places is linear in rows; sorting is not
            shifted = labels - low
            present = np.bincount(shifted, minlength=high - low + 1) > 0
            place = np.cumsum(present) - 1
            return np.flatnonzero(present) + low, place[shifted]
    return np.unique(labels, return_inverse=True)


def group_sums(group: np.ndarray, values: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum the rows of ``values`` (n, q) per group code: an array (n_groups, q)."""
    rows = group.size
    indicator = sparse.csc_array(
        (np.ones(rows), group.astype(np.int64, copy=False), np.arange(rows + 1)), shape=(n_groups, rows)
    )
    return indicator @ values


def checked_columns(
    y: np.ndarray, x: np.ndarray, *, names: tuple[str, ...] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y and X as float arrays and the triangle R of X = QR; refuse what no model can be fitted to.

    Raises
    ------
    DesignError
        Shapes that do not fit, values that are not finite, collinear columns, or no more rows than columns.
    """
    y = np.asarray(y, dtype=float)
    x = np.asarray(x, dtype=float)
    if y.ndim != 1 or x.ndim != 2 or x.shape[0] != y.size:
        raise DesignError(f"y must be (n,) and X (n, k); found {y.shape} and {x.shape}")
    n_rows, n_columns = x.shape
    if n_rows <= n_columns:
        raise DesignError(f"{n_rows} rows cannot identify {n_columns} coefficients; use fewer columns")
    bad_y, bad_x = int(np.sum(~np.isfinite(y))), int(np.sum(~np.isfinite(x)))
    if bad_y or bad_x:
        raise DesignError(
            f"{bad_y} values of y and {bad_x} values of X are missing or infinite; drop or "
            "impute these rows first"
        )
    length = np.sqrt(np.einsum("ij,ij->j", x, x))
    named = names or tuple(f"column {j}" for j in range(n_columns))
    if np.any(length == 0):
        raise DesignError(f"{named[int(np.argmin(length))]} of X is zero on every row; leave it out")
    triangle = np.linalg.qr(x / length, mode="r")
    left = np.abs(np.diag(triangle))
    if left.min(initial=1.0) < COLLINEAR:
        column = named[int(np.argmax(left < COLLINEAR))]
        raise DesignError(f"{column} of X is a combination of the columns before it; leave one of them out")
    return y, x, triangle * length


def nested_sums(
    y: np.ndarray,
    x: np.ndarray,
    *,
    practice: np.ndarray,
    period: np.ndarray | None,
    patient: np.ndarray | None,
    names: tuple[str, ...] | None = None,
) -> NestedSums:
    """One pass over the rows.

    Parameters
    ----------
    y : (n,) array
    x : (n, k) array
    practice, period, patient : (n,) arrays of codes 0, 1, ...
        ``period`` None: no practice-period effect; ``patient`` None: no patient effect. Patients lie within
        practices.
    """
    y, x, triangle = checked_columns(y, x, names=names)
    n_rows, n_columns = x.shape
    ols = np.linalg.solve(triangle, np.linalg.solve(triangle.T, x.T @ y))
    residual = y - x @ ols
    again = np.linalg.solve(triangle, np.linalg.solve(triangle.T, x.T @ residual))  # one refinement step
    ols, residual = ols + again, residual - x @ again
    left = float(residual @ residual)
    if left <= 1e-20 * float(y @ y) or left == 0.0:
        raise DesignError("y does not vary once the columns of X are taken out; there is nothing to model")

    n_practices = int(practice.max()) + 1
    n_periods = 1 if period is None else int(period.max()) + 1
    cell = practice if period is None else practice * n_periods + period

    to_basis = np.linalg.inv(triangle)

    def columns(group: np.ndarray, n_groups: int) -> np.ndarray:
        sums = np.empty((n_groups, n_columns + 1))
        sums[:, :-1] = group_sums(group, x, n_groups) @ to_basis
        sums[:, -1] = np.bincount(group, weights=residual, minlength=n_groups)
        return sums

    products = np.eye(n_columns + 1)
    products[-1, -1] = left
    shape = (n_practices, n_periods)
    common = {
        "n_rows": n_rows,
        "n_columns": n_columns,
        "products": products,
        "cell_rows": np.bincount(cell, minlength=n_practices * n_periods).astype(float).reshape(shape),
        "basis": triangle,
        "ols": ols,
    }
    q = n_columns + 1
    if patient is None:
        empty = np.zeros(0)
        return NestedSums(
            **common,
            cell_sums=columns(cell, n_practices * n_periods).reshape(*shape, q),
            sizes=empty,
            size_patients=empty,
            count_products=np.zeros((0, *shape, n_periods)),
            count_sums=np.zeros((0, *shape, q)),
            sum_products=np.zeros((0, q, q)),
            patient_practice=np.zeros(0, dtype=int),
            patient_rows=np.zeros((0, n_periods)),
            patient_sums=np.zeros((0, q)),
        )

    n_patients = int(patient.max()) + 1
    home = np.empty(n_patients, dtype=np.int64)
    home[patient] = practice
    sums = columns(patient, n_patients)
    own = patient * n_periods + (0 if period is None else period)
    counts = np.bincount(own, minlength=n_patients * n_periods).astype(float).reshape(n_patients, n_periods)
    sizes, size_class = codes(counts.sum(axis=1).astype(np.int64))
    n_sizes = sizes.size
    cell_sums = (
        columns(cell, n_practices * n_periods) if n_periods > 1 else group_sums(home, sums, n_practices)
    )
    block = size_class * n_practices + home
    count_products = np.empty((n_sizes * n_practices, n_periods, n_periods))
    count_sums = np.empty((n_sizes * n_practices, n_periods, q))
    both = np.concatenate([counts, sums], axis=1)
    for t in range(n_periods):
        seen = np.flatnonzero(counts[:, t])
        part = group_sums(block[seen], both[seen] * counts[seen, t, None], n_sizes * n_practices)
        count_products[:, t], count_sums[:, t] = part[:, :n_periods], part[:, n_periods:]
    sum_products = np.stack([sums[size_class == c].T @ sums[size_class == c] for c in range(n_sizes)])
    return NestedSums(
        **common,
        cell_sums=cell_sums.reshape(*shape, q),
        sizes=sizes.astype(float),
        size_patients=np.bincount(size_class).astype(float),
        count_products=count_products.reshape(n_sizes, *shape, n_periods),
        count_sums=count_sums.reshape(n_sizes, *shape, q),
        sum_products=sum_products,
        patient_practice=home,
        patient_rows=counts,
        patient_sums=sums,
    )
