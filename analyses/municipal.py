"""Public municipal data: what happened to the costs of the whole region, pilot and region-wide contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.data.geography import load_geography
from pluseval.data.rivm import RivmPanel
from pluseval.data.vektis import VektisPanel
from pluseval.estimate.placebo_blocks import Placebos, contiguous_blocks, scattered_sets, single_donors
from pluseval.estimate.region import region_did, region_placebos
from pluseval.estimate.region_years import region_event_study
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.outcomes.municipal_costs import MEASURES, municipal_cost

from .municipal_health import perceived_health
from .municipal_levels import SHORT, described, level, millions_of

Windows = tuple[tuple[int, int], tuple[int, int]]

COMMON = (
    "one region with one hospital: whatever else changed there in those years (the hospital contract, "
    "short-stay beds, the frail-elderly continuum) is part of the number",
)
CAVEATS = {
    "pilot": (
        "PlusPraktijken serve about 30 % of the region's inhabitants and joined by choice: an effect on "
        "their patients would be diluted to about a third here, and is not told apart from the region's own "
        "course",
        *COMMON,
    ),
    "contract": (
        "the baseline 2017-2019 lies within the pilot, so that it is contaminated by it, and 2021-2023 by "
        "COVID",
        *COMMON,
    ),
}
NAMES_NL = {"pilot": "pilot", "contract": "regiocontract"}


@dataclass(frozen=True)
class MunicipalPlan:
    """What the analysis of the municipal data fixes beforehand (the names of the plan's section)."""

    partitions: int = 200
    sdid_partitions: int = 25
    scattered_sets: int = 999
    seed: int = 20210101
    size_tolerance: float = 0.2
    size_year: int = 2015
    min_donor_insured_years_2015: float = 25_000.0
    pilot_before: tuple[int, int] = (2011, 2015)
    pilot_after: tuple[int, int] = (2017, 2019)
    contract_before: tuple[int, int] = (2017, 2019)
    contract_after: tuple[int, int] = (2021, 2023)
    level: float = 0.95

    @classmethod
    def of(cls, section: Any = None) -> MunicipalPlan:
        """From the plan's section (attributes or a mapping); what it does not name keeps its default."""
        if section is None or isinstance(section, cls):
            return section or cls()
        get = section.get if isinstance(section, Mapping) else lambda name: getattr(section, name, None)
        named = {f.name: get(f.name) for f in fields(cls) if get(f.name) is not None}
        return cls(**{k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in named.items()})

    def windows(self, period: str) -> Windows:
        """Years before and after of ``pilot`` or ``contract``."""
        values = asdict(self)
        return values[f"{period}_before"], values[f"{period}_after"]


def analyse(panel: VektisPanel, rivm: RivmPanel | None, plan: Any = None) -> list[EstimateSet]:
    """Every set that the years at hand allow: effects, placebos, levels, standardised ratios, perceived
    health.

    Parameters
    ----------
    panel : VektisPanel
    rivm : RivmPanel or None
        Without it the sets ``municipal.health*`` are left out.
    plan : mapping, object with attributes, or None
        The plan's section on the municipal data.

    Raises
    ------
    DesignError
        If a municipality of the region is not in every year of the panel.
    """
    chosen = MunicipalPlan.of(plan)
    sets: list[EstimateSet] = []
    blocks = None
    if chosen.size_year in panel.years:
        frame = municipal_cost(panel, kind="msz", entry=chosen.pilot_before[1] + 1)
        shared = {"size_period": chosen.size_year, "seed": chosen.seed, "tolerance": chosen.size_tolerance}
        neighbours = load_geography().among
        blocks = contiguous_blocks(frame, neighbours=neighbours, partitions=chosen.partitions, **shared)
        scattered = scattered_sets(frame, sets=chosen.scattered_sets, **shared)
        single = single_donors(
            frame, size_period=chosen.size_year, min_exposure=chosen.min_donor_insured_years_2015
        )
        for period, entry in (("pilot", chosen.pilot_before[1] + 1), ("contract", chosen.contract_after[0])):
            (a, b), (c, d) = chosen.windows(period)
            if {*range(a, b + 1), *range(c, d + 1)} <= set(panel.years):
                for kind in MEASURES:
                    frame = municipal_cost(panel, kind=kind, entry=entry)
                    sets += _effects(frame, kind, period, chosen, blocks, (scattered, single))
        for kind in MEASURES:
            sets += _by_year(
                municipal_cost(panel, kind=kind, entry=chosen.pilot_before[1] + 1), kind, chosen, blocks
            )
    sets += [s for kind in MEASURES for s in described(panel, kind)]
    if rivm is not None:
        sets += perceived_health(panel, rivm, blocks)
    return sets


def _effects(
    frame: AnalysisFrame,
    kind: str,
    period: str,
    plan: MunicipalPlan,
    blocks: Placebos,
    others: tuple[Placebos, Placebos],
) -> list[EstimateSet]:
    windows = plan.windows(period)
    (a, b), (c, d) = windows
    base = {"windows": windows, "level": plan.level}
    large = {"size_period": plan.size_year, "min_exposure": plan.min_donor_insured_years_2015}
    few = blocks.first(plan.sdid_partitions)

    def both(scale: str) -> tuple[Estimate, ...]:
        found = [region_did(frame, inference=blocks, scale=scale, **base)]
        if kind != "total":  # total changes its contents over the years: the simple reading alone
            found.append(region_did(frame, inference=few, method="sdid", scale=scale, **base, **large))
        return tuple(replace(e, notes=e.notes + CAVEATS[period]) for e in found)

    euros = both("difference")
    scattered, single = others
    compared = (
        replace(euros[0], term="contiguous blocks of the region's size (primary)"),
        region_did(frame, inference=scattered, term="random sets of single donors (too optimistic)", **base),
        region_did(frame, inference=single, term="single donors", **base),
    )
    if kind != "total":
        compared += (
            region_did(
                frame, inference=single, method="sdid", term="single donors, synthetic", **base, **large
            ),
        )
    label, label_nl = SHORT[kind]
    name, span = f"municipal.{period}.{kind}", f"{a}-{b} v {c}-{d}"
    nl = f"{label_nl}, {NAMES_NL[period]} ({span})"
    sets = [
        EstimateSet(name, f"{label} of the region, {period} ({span})", euros, title_nl=f"Regio: {nl}"),
        EstimateSet(
            f"{name}.ratio",
            f"{label} of the region, {period}, as a ratio to the donors",
            both("ratio"),
            title_nl=f"Regio: {nl}, als verhouding",
        ),
        EstimateSet(
            f"{name}.placebos",
            f"{label}, {period}: the same effect judged by other placebos",
            compared,
            title_nl=f"Regio: {nl}, tegen andere placebo's",
        ),
        _placebo_summary(frame, name, f"{label}, {period}", nl, blocks, windows, euros[0]),
    ]
    if period == "contract":
        sets.append(_millions(frame, name, f"{label}, {period}", nl, euros, windows))
    return sets


def _by_year(frame: AnalysisFrame, kind: str, plan: MunicipalPlan, blocks: Placebos) -> list[EstimateSet]:
    """Every year against the last one before the pilot: did the region keep step before anything began?"""
    reference = plan.pilot_before[1]
    if reference not in frame.periods or len(frame.periods) < 2:
        return []
    label, label_nl = SHORT[kind]
    found = region_event_study(frame, inference=blocks, reference=reference, level=plan.level)
    return [
        replace(
            found,
            name=f"municipal.by_year.{kind}",
            title=f"{label}: OZL minus donors, difference from {reference}",
            title_nl=f"{label_nl}: OZL min vergelijkingsgemeenten, verschil met {reference}",
        )
    ]


def _placebo_summary(
    frame: AnalysisFrame,
    name: str,
    label: str,
    label_nl: str,
    blocks: Placebos,
    windows: Windows,
    effect: Estimate,
) -> EstimateSet:
    effects = region_placebos(frame, windows=windows, inference=blocks).effects
    terms = {
        "smallest": 0,
        "2.5 %": 2.5,
        "25 %": 25,
        "median": 50,
        "75 %": 75,
        "97.5 %": 97.5,
        "largest": 100,
    }
    values = {term: float(np.percentile(effects, q)) for term, q in terms.items()}
    values["the region itself"] = effect.estimate
    estimates = tuple(
        level(
            term,
            value,
            measure=frame.measure,
            source=frame.source,
            counts=effect.counts,
            contrast="change of a placebo block minus that of the other donors; all blocks of all partitions",
        )
        for term, value in values.items()
    )
    return EstimateSet(
        f"{name}.placebo_distribution",
        f"{label}: changes of placebo blocks, EUR per insured-year",
        estimates,
        display="table",
        title_nl=f"Regio: {label_nl}, veranderingen van placebo-blokken",
    )


def _millions(
    frame: AnalysisFrame,
    name: str,
    label: str,
    label_nl: str,
    effects: tuple[Estimate, ...],
    windows: Windows,
) -> EstimateSet:
    """The effect per insured-year times the region's insured-years: what the region spent more or less."""
    treated = frame.treated
    cells = frame.cells
    own = cells[cells["cluster"].isin(treated.index[treated]) & cells["period"].between(*windows[1])]
    factor = float(own.groupby("period")["exposure"].sum().mean()) / 1e6
    estimates = tuple(
        replace(
            e,
            estimate=e.estimate * factor,
            std_error=e.std_error * factor,
            conf_low=e.conf_low * factor,
            conf_high=e.conf_high * factor,
            measure=millions_of(e.measure),
            interval=lambda at, e=e: tuple(end * factor for end in e.conf_int(at)),
            test=lambda value, e=e: e.p_at(value / factor),
        )
        for e in effects
    )
    return EstimateSet(
        f"{name}.millions",
        f"{label}: effect on the region as a whole, a year",
        estimates,
        title_nl=f"Regio: {label_nl}, voor de hele regio per jaar",
    )
