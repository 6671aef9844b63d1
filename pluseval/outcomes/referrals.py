"""Referrals by GPs: per 100 enlisted persons, and per practice."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import ibis.expr.types as ir
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Loss, Measure
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.attribution import Attribution
from pluseval.outcomes.baseline import list_sizes, practice_columns, with_entry
from pluseval.outcomes.dominance import sums_with_largest
from pluseval.outcomes.losses import losses_by_group

Destination = Literal["hospital", "pluspunt", "all"]
_TO = {
    "hospital": ("", ""),
    "pluspunt": (" to PlusPunt", " naar PlusPunt"),
    "all": (" to hospital or PlusPunt", " naar ziekenhuis of PlusPunt"),
}
_BETWEEN = "\x1f"  # the unit separator, which no name of a practice holds
PERCENTAGE = Measure(
    key="referral_percentage",
    label="referral percentage",
    label_nl="verwijspercentage",
    unit="referrals per 100 enlisted",
    unit_nl="verwijzingen per 100 ingeschrevenen",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="lower",
    per=100.0,
    decimals=2,
    additive=True,
)
COUNT = Measure(
    key="referral_count",
    label="referrals per practice",
    label_nl="verwijzingen per praktijk",
    unit="referrals per practice and year",
    unit_nl="verwijzingen per praktijk en jaar",
    difference_unit="referrals per practice",
    difference_unit_nl="verwijzingen per praktijk",
    better="lower",
    decimals=0,
    additive=True,
)


def referral_percentage(
    study: Study,
    *,
    count: Literal["referrals", "persons"] = "referrals",
    destination: Destination = "hospital",
    specialty: str | None = None,
    attribution: str = "enlisted_1_july",
) -> AnalysisFrame:
    """Referrals (or persons referred) per 100 persons enlisted on 1 July, one row per practice and year.

    A practice-year with a list and no referral counts as zero: keep only practices that send nearly all of
    their referrals through the system that was extracted.

    Parameters
    ----------
    study : Study
        With ``referrals`` and ``practice_years``.
    count : {"referrals", "persons"}
        Every referral, or each person once a year (referrals without a person are then a loss).
    destination : {"hospital", "pluspunt", "all"}
    specialty : str, optional
        Only referrals to this specialty.
    attribution : str
        ``enlisted_1_july``: to the practice that referred, per person enlisted there; or ``practice_2015``
        (intention to treat): to the person's practice of 2015, per person of that list still insured.

    Returns
    -------
    AnalysisFrame
        ``persons`` are those referred (a lower bound where some referrals name no person).

    Raises
    ------
    DesignError
        No referrals, none that meets the choices, or an unknown choice.
    """
    chosen = Attribution(attribution)
    found, losses = _referrals(study, count, destination, specialty, chosen)
    cells, more = _with_enlisted(study, found, chosen)
    measure = _measure(PERCENTAGE, count, destination, specialty)
    if chosen.year is None:
        population, words = "persons enlisted on 1 July of each year", "counted to the practice that referred"
    else:
        population, words = chosen.population, chosen.words
    return AnalysisFrame(
        rows=with_entry(cells, study),
        measure=measure,
        source=study.source,
        practices=practice_columns(study),
        losses=(*losses, *more),
        population=population,
        attribution=words,
    )


def referrals_by_specialty(
    study: Study,
    frame: AnalysisFrame,
    *,
    count: Literal["referrals", "persons"] = "referrals",
    destination: Destination = "hospital",
    attribution: str = "enlisted_1_july",
) -> dict[str, AnalysisFrame]:
    """Referrals per 100 enlisted for each specialty by itself, the most frequent first.

    The same practices, years and list sizes as in ``frame``, so that the values of the specialties and of
    referrals that name none add up to its own.

    Parameters
    ----------
    study : Study
    frame : AnalysisFrame
        What :func:`referral_percentage` returned for the same choices.
    count, destination, attribution
        As for :func:`referral_percentage`.

    Returns
    -------
    dict of str to AnalysisFrame
        Empty where no referral names a specialty. Losses are those of all specialties together.
    """
    if "specialty" not in study.table("referrals").columns:
        return {}
    t, named, _ = _referral_rows(study, count, destination, Attribution(attribution))
    t = t.filter(t.specialty.notnull())
    # One pass for all: a practice and a specialty together stand in the place of a practice.
    t = t.mutate(practice_id=t.practice_id.cast("string") + _BETWEEN + t.specialty)
    found = _counted(t, named, once=count == "persons")
    parts = found["practice_id"].astype(str).str.partition(_BETWEEN)
    found = found.assign(cluster=parts[0], specialty=parts[2], year=found["year"].astype("int64"))
    losses = tuple(replace(x, reason=f"{x.reason} (all specialties)") for x in frame.losses)
    base = frame.rows[["unit", "cluster", "period", "entry", "exposure"]]
    frames = {}
    for specialty, own in found.rename(columns={"year": "period"}).groupby("specialty"):
        columns = [c for c in ("numerator", "persons", "largest", "second") if c in own.columns]
        rows = base.merge(own[["cluster", "period", *columns]], on=["cluster", "period"], how="left")
        rows[columns] = rows[columns].astype(float).fillna(0.0)
        frames[str(specialty)] = replace(
            frame,
            rows=rows.astype({"persons": "int64"}),
            measure=_measure(PERCENTAGE, count, destination, str(specialty)),
            losses=losses,
        )
    return dict(sorted(frames.items(), key=lambda item: -item[1].rows["numerator"].sum()))


def referral_count(
    study: Study, *, destination: Destination = "hospital", specialty: str | None = None
) -> AnalysisFrame:
    """Referrals per practice and year, whatever its size.

    Parameters and losses as in :func:`referral_percentage`.
    """
    chosen = Attribution()
    found, losses = _referrals(study, "referrals", destination, specialty, chosen)
    cells, more = _with_enlisted(study, found, chosen)
    return AnalysisFrame(
        rows=with_entry(cells.assign(exposure=1.0), study),
        measure=_measure(COUNT, "referrals", destination, specialty),
        source=study.source,
        practices=practice_columns(study),
        losses=(*losses, *more),
        population="referrals of persons enlisted in the practices",
        attribution="counted to the practice that referred",
    )


def _referrals(
    study: Study, count: str, destination: str, specialty: str | None, attribution: Attribution
) -> tuple[pd.DataFrame, tuple[Loss, ...]]:
    """Counts per practice and year: ``practice_id year numerator persons largest second``."""
    t, named, losses = _referral_rows(study, count, destination, attribution, specialty)
    found = _counted(t, named, once=count == "persons")
    if found.empty:
        wanted = specialty or destination
        raise DesignError(f"referrals: none to {wanted!r} in this study; check the specialty or destination")
    return found, losses


def _referral_rows(
    study: Study, count: str, destination: str, attribution: Attribution, specialty: str | None = None
) -> tuple[ir.Table, bool, tuple[Loss, ...]]:
    """The referrals that count, whether they name persons, and what was lost."""
    if count not in ("referrals", "persons"):
        raise DesignError(f"referrals: count is {count!r}; use 'referrals' or 'persons'")
    if destination not in _TO:
        raise DesignError(f"referrals: destination is {destination!r}; use {', '.join(map(repr, _TO))}")
    if not study.has("referrals"):
        raise DesignError("referrals need the table referrals, which this study does not have")
    t = study.table("referrals").mutate(year=lambda r: r.referral_date.year())
    named = "person_id" in t.columns
    if not named and (count == "persons" or attribution.year is not None):
        raise DesignError(
            "referrals name no persons: use count='referrals' and attribution='enlisted_1_july'"
        )
    if destination != "all":
        t = t.filter(t.destination == destination)
    if specialty is not None:
        t = t.filter(t.specialty == specialty)
    losses: tuple[Loss, ...] = ()
    if count == "persons" or attribution.year is not None:
        nameless = t.filter(t.person_id.isnull())
        counts = nameless.group_by("practice_id", period=nameless.year).aggregate(lost=nameless.count())
        losses = losses_by_group(study, counts.to_pandas(), "referrals that name no person")
        t = t.filter(t.person_id.notnull())
    t, more = attribution.apply(study, t, what="referrals")
    return t, named, (*losses, *more)


def _counted(t: ir.Table, named: bool, *, once: bool) -> pd.DataFrame:
    keys = ["practice_id", "year"]
    totals = t.group_by(keys).aggregate(numerator=t.count()).order_by(keys).to_pandas()
    if not named:
        return totals.assign(persons=0)
    known = t.filter(t.person_id.notnull())
    each = known.group_by(*keys, "person_id").aggregate(amount=known.count())
    tops = sums_with_largest(each, persons=each.count()).order_by(keys).to_pandas()
    out = totals.merge(tops, on=keys, how="left")
    out["persons"] = out["persons"].fillna(0).astype("int64")
    if once:
        out["numerator"] = out["persons"]
        out["largest"] = out["second"] = 1.0
    return out


def _with_enlisted(
    study: Study, found: pd.DataFrame, attribution: Attribution
) -> tuple[pd.DataFrame, tuple[Loss, ...]]:
    """Every practice-year with a list and its referrals (none is zero); those without a list are a loss."""
    if attribution.year is None:
        sizes = list_sizes(study)
        if sizes is None:
            raise DesignError("referrals need the table practice_years (list sizes), which this study lacks")
        reason = "referrals of practice-years without a list size"
    else:
        t, _ = attribution.apply(study, study.table("insured_years"), what="insured person-years")
        counted = t.group_by(cluster=t.practice_id, year=t.year).aggregate(list_size=t.count())
        sizes = counted.order_by(["cluster", "year"]).to_pandas()
        reason = f"referrals of practice-years without insured persons of the {attribution.year} list"
    found = found.rename(columns={"practice_id": "cluster"}).astype({"year": "int64"})
    sizes = sizes.astype({"year": "int64"})
    sizes = sizes[sizes["year"].between(found["year"].min(), found["year"].max())]
    matched = found.merge(sizes, on=["cluster", "year"], how="left")
    lost = matched[matched["list_size"].isna()].rename(
        columns={"cluster": "practice_id", "year": "period", "numerator": "lost"}
    )
    cells = sizes.merge(found, on=["cluster", "year"], how="left").sort_values(["cluster", "year"])
    rows = pd.DataFrame(
        {
            "unit": cells["cluster"].astype(str),
            "cluster": cells["cluster"].astype(str),
            "period": cells["year"].astype("int64"),
            "numerator": cells["numerator"].fillna(0).astype(float),
            "exposure": cells["list_size"].astype(float),
            "persons": cells["persons"].fillna(0).astype("int64"),
        }
    ).reset_index(drop=True)
    for name in ("largest", "second"):
        if name in cells.columns:
            rows[name] = cells[name].astype(float).fillna(0.0).to_numpy()
    return rows, losses_by_group(study, lost, reason)


def _measure(measure: Measure, count: str, destination: str, specialty: str | None) -> Measure:
    """The measure with the choices in its key and label; the plain one for referrals to hospital."""
    key, label, label_nl = measure.key, measure.label, measure.label_nl
    if count == "persons":
        key, label, label_nl = f"{key}_persons", "persons referred per 100", "verwezen personen per 100"
        measure = replace(
            measure,
            unit="persons referred per 100 enlisted",
            unit_nl="verwezen personen per 100 ingeschrevenen",
        )
    if destination != "hospital":
        key = f"{key}_{destination}"
        label, label_nl = label + _TO[destination][0], label_nl + _TO[destination][1]
    if specialty is not None:
        key, label, label_nl = f"{key}_{specialty}", f"{label}, {specialty}", f"{label_nl}, {specialty}"
    return replace(measure, key=key, label=label, label_nl=label_nl)
