"""One design of counts with exposure, many studies: ratios of rate ratios of thousands of outcomes at once.

Exposures, who is treated and the reassignments are the same in every study. Then the leverage of a practice,
its share of a cell's exposure, is the same too, and Poisson pseudo-likelihood with its CR2 error is a few
matrix products. Each method gives what the procedure for one study gives, study by study.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.invert import TIE
from pluseval.numerics.studies import TOGETHER, TTests


@dataclass(frozen=True)
class RateStudies:
    """Exposures of one design, ready for any number of studies.

    Attributes
    ----------
    exposures : (G, 2) array
        Persons before and after.
    treated : (G,) bool array
    drawn : (B, G) array of 0 / 1
        Reassignments.
    added : bool
        Count the observed assignment besides (sampled reassignments).
    """

    exposures: np.ndarray
    treated: np.ndarray
    drawn: np.ndarray = field(repr=False)
    added: bool = True

    def tests(self, counts: np.ndarray, *, kind: str = "CR2") -> TTests:
        """Tests of the log ratio of the rate ratios of ``counts`` (D, G, 2).

        Parameters
        ----------
        counts : (D, G, 2) array
        kind : {"CR1", "CR2"}
            CR2 with Bell-McCaffrey degrees of freedom, or CR1 with t(G - 1).

        Raises
        ------
        DesignError
            Another kind.

        Examples
        --------
        >>> treated = np.array([True, True, False, False])
        >>> made = RateStudies(np.full((4, 2), 100.0), treated, treated[None])
        >>> counts = np.array([[[30, 20], [40, 22], [30, 31], [40, 39]]])
        >>> np.exp(made.tests(counts).estimates).round(6).tolist()
        [0.6]
        """
        if kind not in ("CR1", "CR2"):
            raise DesignError(f"kind is CR1 or CR2, found {kind!r}")
        groups = self.treated[None].astype(float)
        estimates, variances = self._parts(groups, _Sums.of(counts), corrected=kind == "CR2")
        if kind == "CR2":
            return TTests(estimates[0], np.sqrt(variances[0]), self._freedom(counts))
        G = self.treated.size
        return TTests(estimates[0], np.sqrt(variances[0] * G / (G - 1)), G - 1)

    def p_values(self, counts: np.ndarray) -> np.ndarray:
        """Two-sided p-values of ``counts`` (D, G, 2) by size; equals ``rate_ratio_permutation``."""
        sums = _Sums.of(counts)
        estimate, variance = (part[0] for part in self._parts(self.treated[None].astype(float), sums))
        observed = np.abs(estimate) / np.sqrt(variance)
        limit = observed - TIE * (1 + observed)
        extreme = np.zeros(counts.shape[0])
        for start in range(0, self.drawn.shape[0], TOGETHER):
            top, spread = self._parts(self.drawn[start : start + TOGETHER].astype(float), sums)
            extreme += np.count_nonzero(np.abs(top) >= limit * np.sqrt(spread), axis=0)
        return (extreme + self.added) / (self.drawn.shape[0] + self.added)

    def _parts(
        self, member: np.ndarray, sums: _Sums, *, corrected: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log ratios and variances (b, D) of the assignments ``member`` (b, G)."""
        estimates, variances = np.zeros((2, member.shape[0], sums.before.shape[1]))
        for sign, inside in ((1.0, member), (-1.0, 1.0 - member)):
            exposed = inside @ self.exposures
            shares = [self.exposures[:, t] / exposed[:, [t]] for t in (0, 1)]
            # practices outside the group can be larger than the group; they do not count
            scales = [
                inside / np.sqrt(np.where(inside > 0, 1 - share if corrected else 1.0, 1.0))
                for share in shares
            ]
            before, after = inside @ sums.before, inside @ sums.after
            estimates += sign * (np.log(after) - np.log(before))
            estimates += sign * (np.log(exposed[:, 0]) - np.log(exposed[:, 1]))[:, None]
            spread = scales[0] ** 2 @ sums.before_square / before**2
            spread += scales[1] ** 2 @ sums.after_square / after**2
            spread -= 2 * ((scales[0] * scales[1]) @ sums.product) / (before * after)
            moved = scales[1] * shares[1] - scales[0] * shares[0]
            if np.any(moved):  # exposures that change between the periods
                spread += np.sum(moved**2, axis=1)[:, None]
                spread += 2 * ((scales[0] * moved) @ sums.before) / before
                spread -= 2 * ((scales[1] * moved) @ sums.after) / after
            variances += spread
        return estimates, np.maximum(variances, 0.0)

    def _freedom(self, counts: np.ndarray) -> np.ndarray:
        """Bell and McCaffrey's degrees of freedom, (D,): Poisson counts as the working covariance.

        A practice's score is its corrected share of the counts after minus that before. Among the practices
        of a group these have covariance P0 / M0 + P1 / M1, where M are the cells' counts and P is a matter of
        exposures alone.
        """
        trace, square = np.zeros((2, counts.shape[0]))
        for members in (self.treated, ~self.treated):
            made = []
            for t in (0, 1):
                share = self.exposures[members, t] / self.exposures[members, t].sum()
                scale = 1 / np.sqrt(1 - share)
                made.append(scale[:, None] * (np.diag(share) - np.outer(share, share)) * scale)
            weight = 1 / counts[:, members].sum(axis=1)  # (D, 2)
            trace += weight @ np.array([np.trace(part) for part in made])
            products = np.array([[np.sum(one * other) for other in made] for one in made])
            square += np.einsum("ds,dt,st->d", weight, weight, products)
        return trace**2 / square


@dataclass(frozen=True)
class _Sums:
    """Counts (G, D) before and after, their squares and their product."""

    before: np.ndarray
    after: np.ndarray
    before_square: np.ndarray
    after_square: np.ndarray
    product: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> _Sums:
        before, after = (np.asarray(counts[:, :, t], dtype=float).T for t in (0, 1))
        return cls(before, after, before**2, after**2, before * after)
