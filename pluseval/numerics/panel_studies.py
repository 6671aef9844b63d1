"""One panel design, many studies: effects of staggered and common entry in thousands of outcomes at once.

Who enters when is the same in every study, so that an estimator is one linear map of the outcomes and a
reassignment of entries a choice of its rows. Each method gives what the procedure for one study gives, study
by study.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.invert import TIE, Resampling
from pluseval.numerics.reassignment import StaggeredMap
from pluseval.numerics.studies import TOGETHER, TTests


def two_way_t(y: np.ndarray, on: np.ndarray, *, errors: str) -> TTests:
    """The uncollapsed panel ``y`` (D, G, T): practice and period effects, treatment where ``on`` (G, T) is 1.

    A warning, not a choice: with ``errors="independent"`` every practice-period counts as evidence of its
    own; ``"CR1"`` clusters by practice with t(G - 1). With staggered entries it compares treated practices
    with treated ones too.
    """
    on = np.asarray(on, dtype=float)
    d = on - on.mean(axis=1, keepdims=True) - on.mean(axis=0) + on.mean()
    left = y - y.mean(axis=2, keepdims=True)
    left -= left.mean(axis=1, keepdims=True)
    size = np.sum(d**2)
    slope = np.einsum("dgt,gt->d", left, d) / size
    residuals = left - slope[:, None, None] * d
    G, T = d.shape
    if errors == "independent":
        df = G * T - G - T
        return TTests(slope, np.sqrt(np.einsum("dgt,dgt->d", residuals, residuals) / df / size), df)
    if errors != "CR1":
        raise DesignError(f"errors are 'independent' or 'CR1', found {errors!r}")
    scores = np.einsum("dgt,gt->dg", residuals, d)
    return TTests(slope, np.sqrt(np.sum(scores**2, axis=1) * G / (G - 1)) / size, G - 1)


@dataclass(frozen=True)
class Reassignments:
    """Reassigned entries of one staggered design, ready for any number of studies.

    Attributes
    ----------
    effect : StaggeredMap
    observed : (N,) integer array
        Position of each unit's cohort in ``effect.cohorts``.
    codes : (B, N) integer array
    added : bool
        Count the observed assignment besides (sampled reassignments).
    """

    effect: StaggeredMap
    observed: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    added: bool = True

    def analytic(self, y: np.ndarray) -> TTests:
        """The estimator's analytic standard errors with the normal distribution; ``y`` (D, N, T)."""
        parts, centres, scale = self._columns(y)
        estimates, variances = self._parts(self.observed[None], parts, centres, small_sample=False)
        return TTests(scale * estimates[0], scale * np.sqrt(variances[0]), np.inf)

    def sun_abraham(self, y: np.ndarray, *, errors: str = "CR1") -> TTests:
        """Sun and Abraham's overall effect, clustered by unit; the shares of the cohorts count as known.

        On a complete panel it is Callaway and Sant'Anna's simple average against the never-treated, so that
        ``effect`` must be of ``comparison="never_treated"``. The regression has coefficients for every cohort
        and period: a unit's leverage is one over its cohort's units, and the cohorts' variances add up.

        Parameters
        ----------
        y : (D, N, T) array
        errors : {"CR1", "CR2"}
            CR1 with (n-1)/(n-K) and t(G - 1), or CR2 with Bell-McCaffrey degrees of freedom.

        Raises
        ------
        DesignError
            Other errors, or CR2 with a cohort of one unit.
        """
        counts = self.effect.counts.astype(float)
        if errors not in ("CR1", "CR2"):
            raise DesignError(f"errors are CR1 or CR2, found {errors!r}")
        if errors == "CR2" and counts.min() < 2:
            raise DesignError("a cohort of one unit has no variance between units; CR2 needs two")
        y = y - y.mean(axis=1, keepdims=True)
        own = np.einsum("dnt,nt->dn", y, self.effect.rows[self.observed])
        spread = np.zeros((counts.size, y.shape[0]))
        for cohort in range(counts.size):
            members = own[:, self.observed == cohort]
            spread[cohort] = np.sum((members - members.mean(axis=1, keepdims=True)) ** 2, axis=1)
        _, G, T = y.shape
        if errors == "CR2":
            expected = counts * np.sum(
                self.effect.rows**2, axis=1
            )  # of each cohort's variance, periods alike
            df = expected.sum() ** 2 / np.sum(expected**2 / (counts - 1))
            return TTests(own.sum(axis=1), np.sqrt(counts / (counts - 1) @ spread), df)
        columns = T + (counts.size - 1) * (T - 1)  # unit effects are nested in the clusters
        factor = (G * T - 1) / (G * T - columns) * G / (G - 1)
        return TTests(own.sum(axis=1), np.sqrt(factor * spread.sum(axis=0)), G - 1)

    def resampling(self, y: np.ndarray, on: np.ndarray) -> Resampling:
        """The test of one panel ``y`` (N, T) at every trial effect, present where ``on`` (N, T) is 1."""
        y = y - y.mean(axis=0)
        y = y - y.mean(axis=1, keepdims=True)
        estimate, variance = self.effect.forms(self.observed[None], (y,))
        (n0, n1), forms = self.effect.forms(self.codes, (y, np.asarray(on, dtype=float)))
        return Resampling(
            estimate=float(estimate[0][0]),
            variance=float(variance[0, 0][0]),
            n0=n0,
            n1=-n1,
            d0=np.maximum(forms[0, 0], 0.0),
            d1=-forms[0, 1],
            d2=np.maximum(forms[1, 1], 0.0),
            added=self.added,
        )

    def p_values(self, y: np.ndarray) -> np.ndarray:
        """Two-sided p-values of the studentised effect; equals ``staggered_permutation_test``."""
        parts, centres, _ = self._columns(y)
        top, variance = (part[0] for part in self._parts(self.observed[None], parts, centres))
        observed = top**2 * (1 - TIE) ** 2
        counts = np.zeros(y.shape[0])
        for start in range(0, self.codes.shape[0], TOGETHER):
            drawn, spread = self._parts(self.codes[start : start + TOGETHER], parts, centres)
            counts += np.count_nonzero(drawn**2 * variance >= spread * observed, axis=0)
        return (counts + self.added) / (self.codes.shape[0] + self.added)

    def _columns(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each unit's part by cohort (C, N, D), its share in the centres (C, C, N, D), the scale (D,)."""
        y = y - y.mean(axis=1, keepdims=True)
        y = y - y.mean(axis=2, keepdims=True)
        scale = np.sqrt(np.mean(y**2, axis=(1, 2)))
        y = y / scale[:, None, None]
        rows = self.effect.rows
        centre = self.effect.centre.reshape(*rows.shape, rows.shape[0])  # (C, T, C)
        parts = np.einsum("dnt,ct->cnd", y, rows, optimize=True)
        return parts, np.einsum("dnt,ctk->cknd", y, centre, optimize=True), scale

    def _parts(
        self, codes: np.ndarray, parts: np.ndarray, centres: np.ndarray, *, small_sample: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Effects and variances (b, D), in units of each study's spread."""
        size = parts.shape[0]
        inside = [(codes == c).astype(float) for c in range(size)]
        estimate, variance = np.zeros((2, codes.shape[0], parts.shape[2]))
        for c, n in enumerate(self.effect.counts.astype(float)):
            linear = inside[c] @ parts[c]
            taken = sum(inside[other] @ centres[other, c] for other in range(size))
            about = inside[c] @ parts[c] ** 2 - 2 * taken * linear + n * taken**2
            variance += about * (n / max(n - 1, 1) if small_sample else 1.0)
            estimate += linear
        return estimate, np.maximum(variance, 0.0)
