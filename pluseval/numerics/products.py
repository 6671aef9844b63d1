"""Products and triangles of tall, thin matrices, in slices.

A threaded BLAS gains nothing on such matrices and, where other processes use the cores, loses a factor of
five to thirty by waiting for its own threads. In slices each call stays below the size at which OpenBLAS
starts threads.
"""

from __future__ import annotations

import numpy as np

_MULTIPLICATIONS = 200_000  # OpenBLAS multiplies matrices in one thread up to 2^18
_VALUES = 4_000  # and factors them in one thread at about this size


def tall_product(tall: np.ndarray, small: np.ndarray) -> np.ndarray:
    """``tall @ small`` for (b, n) and (n, k), in slices of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> tall_product(np.ones((3, 2)), np.array([[1.0], [2.0]])).ravel().tolist()
    [3.0, 3.0, 3.0]
    """
    b, n = tall.shape
    k = small.shape[1]
    rows = max(_MULTIPLICATIONS // max(n * k, 1), 1)
    if b <= rows:
        return tall @ small
    tall = np.ascontiguousarray(tall)
    whole = b // rows * rows
    out = np.empty((b, k))
    np.matmul(tall[:whole].reshape(-1, rows, n), small, out=out[:whole].reshape(-1, rows, k))
    np.matmul(tall[whole:], small, out=out[whole:])
    return out


def triangle(tall: np.ndarray) -> np.ndarray:
    """The triangular factor R, (k, k), of a QR factorisation of (n, k), n >= k, from those of its slices.

    Examples
    --------
    >>> import numpy as np
    >>> abs(triangle(np.full((4, 1), 3.0))).tolist()
    [[6.0]]
    """
    n, k = tall.shape
    rows = max(_VALUES // max(k, 1), 4 * k, 1)
    while n > 2 * rows:
        whole = n // rows * rows
        slices = np.linalg.qr(np.ascontiguousarray(tall[:whole]).reshape(-1, rows, k), mode="r")
        tall = np.concatenate([np.asarray(slices).reshape(-1, k), tall[whole:]])
        n = tall.shape[0]
    return np.asarray(np.linalg.qr(tall, mode="r"))
