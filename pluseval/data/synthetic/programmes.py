"""The regional programmes: their practices, starts and comparison practices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pluseval.errors import DesignError


def require(condition: bool, message: str) -> None:
    """Stop with ``message`` unless ``condition`` holds."""
    if not condition:
        raise DesignError(message)


@dataclass(frozen=True)
class Programme:
    """One regional programme: its practices, their starts and the practices they are compared with.

    Parameters
    ----------
    name, region : str
        Short name (OZL, WM, MH) and region.
    starts : tuple of (str, int)
        Start date (ISO) and number of practices of each batch, in order.
    comparators : int
        Practices of the region outside the programme, after the merger.
    mean_list, comparator_mean_list : float
        Mean persons enlisted in 2018 (in the anchor year).
    list_cv, comparator_list_cv : float
        Coefficient of variation of the log-normal whose quantiles are the list sizes.
    batches : bool
        Whether the batches are numbered in ``practices.batch``.
    learning_groups : tuple of int
        Sizes of the learning groups of the programme practices; empty where there are none.
    merger : bool
        Whether one comparison practice absorbs another on 1 January 2018.
    """

    name: str
    region: str
    starts: tuple[tuple[str, int], ...]
    comparators: int
    mean_list: float = 5_125.0
    comparator_mean_list: float = 3_160.0
    list_cv: float = 0.40
    comparator_list_cv: float = 0.45
    batches: bool = False
    learning_groups: tuple[int, ...] = ()
    merger: bool = False

    def __post_init__(self) -> None:
        where = f"Programme {self.name}"
        require(bool(self.starts), f"{where}: no batch of starts")
        require(all(n >= 1 for _, n in self.starts), f"{where}: a batch needs at least one practice")
        require(self.comparators >= 1, f"{where}: at least one comparison practice is needed")
        require(
            min(self.mean_list, self.comparator_mean_list) >= 100,
            f"{where}: lists of fewer than 100 persons on average are too small to generate",
        )
        require(min(self.list_cv, self.comparator_list_cv) > 0, f"{where}: list_cv must be positive")
        if self.learning_groups:
            require(
                sum(self.learning_groups) == self.treated,
                f"{where}: learning groups hold {sum(self.learning_groups)} practices, "
                f"the programme {self.treated}",
            )

    @property
    def treated(self) -> int:
        """Number of programme practices."""
        return sum(n for _, n in self.starts)

    @property
    def patients(self) -> float:
        """Persons enlisted in the anchor year, both groups."""
        return self.treated * self.mean_list + self.comparators * self.comparator_mean_list


OZL = Programme(
    name="OZL",
    region="Oostelijk Zuid-Limburg",
    starts=(("2016-06-01", 5), ("2016-07-01", 5), ("2017-01-01", 4)),
    comparators=56,
    batches=True,
    merger=True,
)
# Numbers of comparison practices in WM and MH are not published: assumptions.
WM = Programme(name="WM", region="Westelijke Mijnstreek", starts=(("2019-01-01", 9),), comparators=30)
MH = Programme(
    name="MH",
    region="Maastricht-Heuvelland",
    starts=(("2018-07-01", 15),),
    comparators=35,
    learning_groups=(6, 5, 4),
)
PROGRAMMES = {p.name: p for p in (OZL, WM, MH)}


def resized(programme: Programme, treated: int | None, comparators: int | None) -> Programme:
    """A programme with other numbers of practices, batches and learning groups kept in proportion."""
    if comparators is not None:
        programme = replace(programme, comparators=comparators)
    if treated is None or treated == programme.treated:
        return programme
    require(treated >= 1, "a programme needs at least one practice")
    counts = apportion([n for _, n in programme.starts], treated)
    starts = tuple((day, int(n)) for (day, _), n in zip(programme.starts, counts, strict=True) if n)
    groups = programme.learning_groups and tuple(
        int(n) for n in apportion([1] * max(1, round(treated / 5)), treated)
    )
    return replace(programme, starts=starts, learning_groups=groups)


def apportion(weights: Iterable[float], total: int) -> np.ndarray:
    """Whole numbers that sum to ``total``, proportional to ``weights`` (largest remainders)."""
    weights = np.asarray(list(weights), dtype=float)
    exact = weights * total / weights.sum()
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole
