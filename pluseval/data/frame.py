"""The narrow waist: one outcome, one row per unit and period, ready for any estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from pluseval.data.columns import as_entry, as_period, known_numbers
from pluseval.data.source import Source
from pluseval.errors import DesignError

REQUIRED = ("unit", "cluster", "period", "entry", "numerator", "exposure", "persons")
OPTIONAL = ("largest", "second")
FINITE = "it must be finite: leave those rows out, and count them as losses"
SMALLEST, LARGEST = 1e-30, 1e30  # of an outcome's own numbers: squares and products of them stay numbers
PART_OF_GROUP = " (whole group; only some of its practices are used)"


@dataclass(frozen=True)
class Measure:
    """An outcome in words: what is counted, in which unit, and which direction is better.

    Parameters
    ----------
    key : str
        Machine name ("cost_msz_eur").
    label, label_nl : str
        Name for captions, English and Dutch ("MSZ cost per insured-year").
    unit, unit_nl : str
        Unit of a level ("EUR per insured-year", "referrals per 100 enlisted").
    difference_unit, difference_unit_nl : str
        Unit of a difference ("EUR", "percentage points", "points").
    better : {"lower", "higher"}
        Direction of improvement.
    per : float
        ``y = per * numerator / exposure`` (100 for a percentage).
    decimals : int
        Decimals with which a level is printed.
    additive : bool
        Whether the numerator is a sum over persons of non-negative amounts, so that dominance rules apply.
    """

    key: str
    label: str
    label_nl: str
    unit: str
    unit_nl: str
    difference_unit: str
    difference_unit_nl: str
    better: Literal["lower", "higher"]
    per: float = 1.0
    decimals: int = 2
    additive: bool = False

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise DesignError(f"Measure.better is {self.better!r}; use 'lower' or 'higher'")
        if not 0 < self.per < np.inf:
            raise DesignError(f"Measure.per is {self.per!r}; a number above 0, as 100 for a percentage")


@dataclass(frozen=True)
class Loss:
    """Rows of a study that an outcome left out, with the reason.

    Parameters
    ----------
    reason : str
        In words fit for an estimand sheet ("questionnaires not returned").
    count : int
    group : {"", "programme", "comparison"}
        The group that they would have counted to; empty where it is unknown, or both.
    period : int, optional
        The period that they would have counted to; None where it is unknown, or several.
    least : int, optional
        Of a sum over groups or periods: its smallest part, which subtraction of other sums could reveal.
    """

    reason: str
    count: int
    group: str = ""
    period: int | None = None
    least: int | None = None


def total_losses(losses: Sequence[Loss], periods: Sequence[Any]) -> tuple[Loss, ...]:
    """The losses inside some periods, summed over groups and periods; one of unknown period is always inside.

    Parameters
    ----------
    losses : sequence of Loss
    periods : sequence of containers of int
        Windows or ranges; a loss in several of them counts once.

    Returns
    -------
    tuple of Loss
        One per reason, in the order in which the reasons come.

    Examples
    --------
    >>> lost = [Loss("moved", 40, "programme", 2016), Loss("moved", 12, "programme", 2017)]
    >>> total_losses(lost, [range(2016, 2017)])
    (Loss(reason='moved', count=40, group='', period=None, least=None),)
    """
    parts: dict[str, list[Loss]] = {}
    for loss in losses:
        if loss.count and (loss.period is None or any(loss.period in window for window in periods)):
            parts.setdefault(loss.reason, []).append(loss)
    return tuple(
        Loss(
            reason,
            sum(x.count for x in own),
            least=min(x.least or x.count for x in own) if own[1:] else own[0].least,
        )
        for reason, own in parts.items()
    )


@dataclass(frozen=True)
class AnalysisFrame:
    """One outcome of one study, one row per unit and period.

    Parameters
    ----------
    rows : DataFrame
        Columns ``unit`` (person or practice), ``cluster`` (practice), ``period`` (int: year or wave year),
        ``entry`` (float: first treated period, NaN for a comparison practice), ``numerator``, ``exposure``
        (> 0), ``persons`` (distinct persons behind the row), and optionally ``largest`` and ``second`` (the
        two largest contributions of single persons to the numerator).
    measure : Measure
        The outcome in words.
    source : Source
        What the data are.
    practices : DataFrame
        One row per cluster, index ``cluster``: practice-level covariates and strata fixed at baseline
        (``list_size``, ``region``, ``batch``, ``start_date`` where known).
    losses : tuple of Loss
        What was left out, by reason and, where known, by group and period: an estimate tells those of the
        groups and periods that it uses.
    population, attribution : str
        Who is counted, in words; to which practice they are counted.
    unit : {"practice", "person"}
        What one row's unit is.
    """

    rows: pd.DataFrame
    measure: Measure
    source: Source
    practices: pd.DataFrame
    losses: tuple[Loss, ...] = ()
    population: str = ""
    attribution: str = ""
    unit: Literal["practice", "person"] = "practice"
    _cells: pd.DataFrame = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self.rows, self.practices)
        object.__setattr__(self, "_cells", _collapse(self.rows, self.measure.per))

    @classmethod
    def from_pandas(
        cls,
        data: pd.DataFrame,
        *,
        unit: str,
        period: str,
        y: str,
        entry: str,
        measure: Measure,
        cluster: str | None = None,
        exposure: str | None = None,
        persons: str | None = None,
        covariates: Sequence[str] = (),
        source: Source | None = None,
    ) -> AnalysisFrame:
        """Any panel as a frame, so that any panel can use the estimators.

        Parameters
        ----------
        data : DataFrame
            One row per unit and period; the caller's data are not changed.
        unit, period, y, entry : str
            Columns. ``period`` is an integer; ``entry`` the first treated period, NaN, 0 or infinity for
            never treated (``gname`` of R's did). ``y`` is the outcome in the unit of ``measure``.
        cluster : str, optional
            Column of the practice; ``unit`` by default.
        exposure : str, optional
            Column with the denominator of ``y`` (insured-years, enlisted); 1 by default.
        persons : str, optional
            Column with the number of distinct persons behind each row; 1 by default where the unit lies
            within a cluster, unknown (0) otherwise.
        covariates : sequence of str
            Columns that are constant within a cluster; they go to ``practices``.

        Raises
        ------
        DesignError
            If a column is absent or holds no numbers, an outcome or an exposure is missing, a unit-period is
            duplicated, a treatment switches off, or a covariate varies within a cluster.
        """
        if not isinstance(data, pd.DataFrame):
            raise DesignError(f"from_pandas: data is a {type(data).__name__}; give a pandas DataFrame")
        cluster = cluster or unit
        wanted = [unit, period, y, entry, cluster, exposure, persons, *covariates]
        missing = sorted({c for c in wanted if c is not None and c not in data.columns})
        if missing:
            raise DesignError(f"from_pandas: the data have no column {', '.join(missing)}; check the names")
        twice = sorted({str(c) for c in wanted if c is not None and list(data.columns).count(c) > 1})
        if twice:
            raise DesignError(f"from_pandas: two columns are called {', '.join(twice)}; rename one")
        outcome = known_numbers(data, y, FINITE)
        exposures = pd.Series(1.0, index=data.index)
        if exposure:
            exposures = known_numbers(data, exposure, FINITE)
        within = unit != cluster
        if persons:
            counted = known_numbers(data, persons, "give 0 where unknown")
            if (counted < 0).any() or (counted != counted.round()).any():
                raise DesignError(f"from_pandas: {persons} must be whole numbers of 0 or more")
            counts = counted.astype("int64")
        else:
            counts = pd.Series(int(within), index=data.index, dtype="int64")
        rows = pd.DataFrame(
            {
                "unit": data[unit],
                "cluster": data[cluster],
                "period": as_period(data, period),
                "entry": as_entry(data, entry),
                "numerator": outcome * exposures / measure.per,
                "exposure": exposures,
                "persons": counts,
            }
        ).reset_index(drop=True)
        practices = _constant_within(data, cluster, covariates)
        return cls(
            rows=rows,
            measure=measure,
            source=source or Source("data frame of the caller"),
            practices=practices,
            unit="person" if within else "practice",
        )

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cluster, period: ``cluster period entry numerator exposure persons y n`` (a copy)."""
        return self._cells.copy()

    @property
    def periods(self) -> tuple[int, ...]:
        """The periods present, ascending."""
        return tuple(int(p) for p in np.sort(self._cells["period"].unique()))

    @property
    def treated(self) -> pd.Series:
        """Whether each cluster is ever treated (index ``cluster``, bool)."""
        return self._cells.groupby("cluster", sort=True)["entry"].first().notna()

    def between(self, first: int, last: int) -> AnalysisFrame:
        """The same frame with the periods ``first`` to ``last`` only."""
        keep = self.rows["period"].between(first, last)
        if not keep.any():
            raise DesignError(
                f"{self.measure.label}: no period between {first} and {last}; choose within "
                f"{self.periods[0]} to {self.periods[-1]}"
            )
        return replace(
            self,
            rows=self.rows[keep].reset_index(drop=True),
            losses=tuple(x for x in self.losses if x.period is None or first <= x.period <= last),
        )

    def keep_clusters(self, clusters: Sequence) -> AnalysisFrame:
        """The same frame with the named clusters only.

        Losses are known by group: those of a group that goes go with it, and those of a group that is kept in
        part stay, with words that say so.
        """
        keep = self.rows["cluster"].isin(list(clusters))
        if not keep.any():
            raise DesignError(
                f"{self.measure.label}: none of the named clusters is in the frame; give its own labels"
            )
        return replace(
            self,
            rows=self.rows[keep].reset_index(drop=True),
            practices=self.practices[self.practices.index.isin(list(clusters))],
            losses=self._losses_of(clusters),
        )

    def _losses_of(self, clusters: Sequence) -> tuple[Loss, ...]:
        treated = self.treated
        kept = treated[treated.index.isin(list(clusters))]
        found = []
        for loss in self.losses:
            if not loss.group:
                found.append(loss)
                continue
            here, all_of_it = (int((which == (loss.group == "programme")).sum()) for which in (kept, treated))
            if here:
                told = loss.reason.removesuffix(PART_OF_GROUP) + PART_OF_GROUP
                found.append(replace(loss, reason=told) if here < all_of_it else loss)
        return tuple(found)

    def with_practices(self, columns: Mapping[str, pd.Series]) -> AnalysisFrame:
        """The same frame with further practice-level columns (index ``cluster``)."""
        return replace(self, practices=self.practices.assign(**columns))


def _constant_within(data: pd.DataFrame, cluster: str, covariates: Sequence[str]) -> pd.DataFrame:
    columns = [c for c in covariates if c != cluster]
    grouped = data.groupby(cluster, sort=True)
    varying = [c for c in columns if (grouped[c].nunique(dropna=False) > 1).any()]
    if varying:
        raise DesignError(
            f"covariates {', '.join(varying)} vary within a practice; give their baseline value as a column"
        )
    frame = grouped[columns].first() if columns else pd.DataFrame(index=grouped.size().index)
    frame.index.name = "cluster"
    return frame


def _check(rows: pd.DataFrame, practices: pd.DataFrame) -> None:
    missing = [c for c in REQUIRED if c not in rows.columns]
    if missing:
        raise DesignError(f"AnalysisFrame needs columns {', '.join(missing)}")
    if rows.empty:
        raise DesignError("AnalysisFrame has no row: every observation was lost; see the losses by reason")
    if rows[["unit", "cluster", "period"]].isna().any().any():
        raise DesignError("AnalysisFrame: unit, cluster and period must not be missing")
    for column in ("unit", "cluster"):
        kinds = {"text" if isinstance(label, str) else "numbers" for label in rows[column].unique()}
        if len(kinds) > 1:
            raise DesignError(f"AnalysisFrame: {column} mixes text and numbers; give one kind, as text")
    duplicated = int(rows.duplicated(["unit", "cluster", "period"]).sum())
    if duplicated:
        raise DesignError(f"AnalysisFrame: {duplicated} duplicated unit x period rows; give one row each")
    values = rows[["numerator", "exposure"]].to_numpy(float)
    if not np.isfinite(values).all():
        raise DesignError("AnalysisFrame: numerator and exposure must be finite; drop and count losses first")
    if (values[:, 1] <= 0).any():
        none = int((values[:, 1] <= 0).sum())
        raise DesignError(
            f"AnalysisFrame: exposure must be positive, and is not in {none} of {len(rows)} rows; drop and "
            "count rows without exposure"
        )
    reach = np.abs(values).max(axis=0)
    if np.any(reach > LARGEST) or np.any((reach > 0) & (reach < SMALLEST)):
        raise DesignError(
            f"AnalysisFrame: the largest numerator or exposure lies beyond {SMALLEST:g} to {LARGEST:g}; "
            "check for codes of missing values, or give another unit"
        )
    if (rows.groupby("cluster")["entry"].nunique(dropna=False) > 1).any():
        raise DesignError(
            "AnalysisFrame: entry varies within a practice (treatment that switches on twice or off); "
            "give each practice one first treated period, or none"
        )
    if practices.index.has_duplicates:
        raise DesignError("AnalysisFrame: a practice has two rows in practices; give one row each")
    orphans = set(rows["cluster"].unique()) - set(practices.index)
    if orphans:
        raise DesignError(f"AnalysisFrame: {len(orphans)} clusters have no row in practices")


def _collapse(rows: pd.DataFrame, per: float) -> pd.DataFrame:
    ordered = rows.sort_values(["cluster", "period", "unit"], kind="stable")
    grouped = ordered.groupby(["cluster", "period"], sort=True)
    cells = grouped.agg(
        entry=("entry", "first"),
        numerator=("numerator", "sum"),
        exposure=("exposure", "sum"),
        persons=("persons", "sum"),
        n=("unit", "size"),
    )
    for column in OPTIONAL:
        if column in rows.columns:
            cells[column] = grouped[column].max()
    cells["y"] = per * cells["numerator"] / cells["exposure"]
    return cells.reset_index()
