"""Who is compared in a calibration: list sizes and who takes part, the study's own or a reader's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from pluseval.data.frame import AnalysisFrame
from pluseval.data.synthetic.programmes import OZL, Programme
from pluseval.errors import DesignError
from pluseval.numerics.assign import quantile_strata


@dataclass(frozen=True)
class Design:
    """List sizes and treatment of G practices, fixed over all simulated studies.

    Parameters
    ----------
    name : str
        As it stands in the table ("14 + 56").
    list_size : (G,) array
        Persons enlisted in the baseline year.
    treated : (G,) bool array
    order : (G,) integer array
        Places of the practices in an order that has nothing to do with size; who enters when follows it.
    """

    name: str
    list_size: np.ndarray = field(repr=False)
    treated: np.ndarray = field(repr=False)
    order: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        G = self.list_size.size
        if self.treated.shape != (G,) or self.order.shape != (G,):
            raise DesignError("Design: list_size, treated and order must be (G,) each")
        if not np.all(np.isfinite(self.list_size)) or np.min(self.list_size) <= 0:
            raise DesignError("Design: every practice needs a list size above 0")
        if min(self.n_treated, G - self.n_treated) < 2:
            raise DesignError("Design: each group needs two practices at least")

    @property
    def n_treated(self) -> int:
        """Number of programme practices."""
        return int(self.treated.sum())

    @property
    def log_size(self) -> np.ndarray:
        """Logarithm of the list size, centred."""
        log = np.log(self.list_size)
        return log - log.mean()

    @property
    def tertile(self) -> np.ndarray:
        """List-size tertile of each practice, over all practices."""
        return quantile_strata(self.list_size)

    def entries(self, batches: tuple[tuple[float, float], ...]) -> np.ndarray:
        """Entry of each practice (0: never), batches given as (entry, share of the programme practices).

        Examples
        --------
        >>> sorted(set(planned(14).entries(((2016, 10 / 14), (2017, 4 / 14))).tolist()))
        [0.0, 2016.0, 2017.0]
        """
        cuts = np.rint(np.cumsum([share for _, share in batches]) * self.n_treated).astype(int)
        place = np.argsort(np.argsort(self.order[self.treated]))
        entry = np.zeros(self.list_size.size)
        values = np.array([value for value, _ in batches])
        entry[self.treated] = values[np.searchsorted(cuts, place, side="right")]
        return entry


def planned(n_treated: int, *, programme: Programme = OZL) -> Design:
    """The study's design: list sizes at the quantiles of log-normals, ``n_treated`` of the larger mean.

    Examples
    --------
    >>> design = planned(14)
    >>> design.name, int(design.list_size[design.treated].mean().round(-2))
    ('14 + 56', 5100)
    """
    sizes = np.concatenate(
        [
            _quantiles(n_treated, programme.mean_list, programme.list_cv),
            _quantiles(programme.comparators, programme.comparator_mean_list, programme.comparator_list_cv),
        ]
    )
    treated = np.arange(sizes.size) < n_treated
    order = np.random.default_rng(n_treated).permutation(sizes.size)
    return Design(f"{n_treated} + {programme.comparators}", sizes, treated, order)


def design_of(frame: AnalysisFrame) -> Design:
    """The design of a reader's own study: its list sizes and groups, nothing of its outcomes.

    Raises
    ------
    ConditionedError
        The study was drawn to return published figures.
    DesignError
        The frame's practices have no ``list_size``.
    """
    frame.source.refuse_conditioned("Calibration of error rates")
    if "list_size" not in frame.practices.columns:
        raise DesignError(
            "calibration needs frame.practices['list_size'] (persons enlisted in the baseline year); add it "
            "with frame.with_practices"
        )
    treated = frame.treated
    sizes = frame.practices["list_size"].reindex(treated.index).to_numpy(dtype=float)
    group = treated.to_numpy(dtype=bool)
    name = f"{int(group.sum())} + {int((~group).sum())}"
    return Design(name, sizes, group, np.random.default_rng(group.size).permutation(group.size))


def _quantiles(n: int, mean: float, cv: float) -> np.ndarray:
    """``n`` quantiles of the log-normal with this mean and CV, scaled so that their mean is exact."""
    sigma = np.sqrt(np.log(1 + cv**2))
    raw = np.exp(sigma * ndtri((np.arange(n) + 0.5) / n))
    return raw * mean / raw.mean()
