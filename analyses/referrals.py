"""Referrals: did PlusPraktijken refer less to the hospital?"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.estimate.inference import OLS
from pluseval.estimate.modifier import effect_modifier, scaled
from pluseval.estimate.result import EstimateSet
from pluseval.outcomes.referrals import referral_percentage
from pluseval.pipeline.analyse import Analysis, analyse_question, estimate_of, frame_of
from pluseval.pipeline.plan import Outcome, Plan, Variation

from .luck import p_values
from .published_procedures import published_procedures
from .specialties import specialty_effects

MAIN = "referrals.percentage"


def analyse(study: Study, plan: Plan) -> Analysis:
    """Every planned estimate of this question, and the readings of claims C6 to C8."""
    found = analyse_question(study, plan, "referrals")
    main = next((o for o in plan.of_question("referrals") if o.key == MAIN), None)
    if main is None or not study.has(main.table):
        return found
    found += specialty_effects(study, main, plan)
    if main.published is None:
        return found
    found += published_readings(study, main, plan)
    if study.source.synthetic and main.luck is not None and main.published.periods:
        first, last = main.published.periods
        found += Analysis((p_values(main.luck, first=first, last=last),))
    return found


def published_readings(study: Study, outcome: Outcome, plan: Plan) -> Analysis:
    """What stands beside the published contrast: per practice, with list size, and with PlusPunt use."""
    reading = outcome.published
    if reading is None or not reading.periods:
        return Analysis()
    frame = frame_of(study, outcome, plan)
    first = reading.periods[0]
    published = estimate_of(frame, outcome, plan, reading)
    cells = frame.cells
    own = cells[(cells["period"] == first) & cells["entry"].notna()]
    mean_list = float(own["exposure"].mean())
    per_practice = scaled(
        published,
        mean_list / 100,
        unit="referrals per practice",
        unit_nl="verwijzingen per praktijk",
        term="published",
        note=f"the published contrast times the programme's mean list of {first}, taken as known",
    )
    adjusted = estimate_of(frame, outcome, plan, replace_adjust(reading, ("list_size",)))
    sets = [
        EstimateSet(
            "referrals.per_practice.published",
            "Referrals per practice: the published reading times the mean list",
            (per_practice,),
            display="table",
            title_nl="Verwijzingen per praktijk: de gepubliceerde analyse maal de gemiddelde lijst",
        ),
        EstimateSet(
            "referrals.percentage.list_size",
            "Referral percentage: the published reading with list size as covariate",
            (replace(adjusted, term="list size as covariate"),),
            display="table",
            title_nl="Verwijspercentage: de gepubliceerde analyse met lijstgrootte als covariaat",
        ),
    ]
    skipped = []
    try:
        use = referral_percentage(study, count="referrals", destination="pluspunt").cells
        use = use[use["period"] == first].set_index("cluster")["y"].reindex(frame.practices.index)
        require_spread(use[frame.treated.reindex(use.index, fill_value=False)], plan.disclosure.min_practices)
        modified = effect_modifier(
            frame.with_practices({"pluspunt_use": use}),
            "pluspunt_use",
            inference=OLS(),
            periods=reading.periods,
            per="PlusPunt referral per 100 enlisted",
            level=1 - plan.alpha,
        )
        sets.append(
            EstimateSet(
                "referrals.pluspunt.effect",
                "Referral percentage: how the published difference goes with PlusPunt use",
                (replace(modified, term="PlusPunt use"),),
                display="table",
                title_nl="Verwijspercentage: samenhang van het gepubliceerde verschil met PlusPunt-gebruik",
            )
        )
    except DesignError as reason:
        skipped.append(("referrals.pluspunt.effect", str(reason)))
    return Analysis(tuple(sets), tuple(skipped)) + published_procedures(frame, outcome, plan)


def require_spread(values: pd.Series, least: int) -> None:
    """Refuse values that all but a few practices share: the slope beside the mean of all gives the few away.

    Raises
    ------
    DesignError
        Fewer than ``least`` practices differ from the most frequent value.
    """
    apart = values.size - int(values.value_counts(dropna=False).max())
    if 0 < apart < least:
        raise DesignError(
            "all but a few programme practices have the same value, so that how the difference goes with it "
            "would give away the change of those few"
        )


def replace_adjust(reading: Variation, adjust: tuple[str, ...]) -> Variation:
    """The same reading with other covariates."""
    return reading.model_copy(update={"adjust": adjust})
