"""What luck alone gives: the published reading's p-value over a thousand planted practice-level studies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pluseval.data.frame import Measure
from pluseval.data.source import Source
from pluseval.data.synthetic import Parameters, p_value_distribution
from pluseval.estimate.distribution import described_share, distribution
from pluseval.estimate.result import Cell, EstimateSet
from pluseval.pipeline.plan import LuckChoice

SHARE = Measure(
    key="share_of_studies",
    label="Share of planted studies",
    label_nl="Aandeel van de gesimuleerde studies",
    unit="% of studies",
    unit_nl="% van de studies",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="lower",
    decimals=1,
)
TRUTHS = {"null": "no effect", "default": "the effects that the generator plants"}


def p_values(plan: LuckChoice, *, first: int, last: int) -> EstimateSet:
    """Shares of planted studies by p-value of the published reading, without effect and with the default one.

    Practice level only: sizes and spread are those of the generator, no person is drawn.
    """
    parameters = Parameters()
    programme = parameters.programmes[0]
    treated = sum(n for _, n in programme.starts)
    source = Source("planted practice-level studies of the generator", "planted", parameters.content_hash)
    edges = (0.0, plan.published_p, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
    shares = []
    for effects, words in TRUTHS.items():
        values = p_value_distribution(
            parameters, seeds=plan.studies, seed=plan.seed, effects=effects, first=first, last=last
        )
        below = [float(np.mean(values <= edge)) if edge else 0.0 for edge in edges]
        for place, (low, high) in enumerate(pairwise(edges)):
            shares.append(
                described_share(
                    f"p {low:g}-{high:g}" if low else f"p up to {high:g}",
                    round(100 * (below[place + 1] - below[place]), 6),
                    at=float(place),
                    group=words,
                    measure=SHARE,
                    source=source,
                    cells=[
                        Cell(g, f"{first}-{last}", int(n * size), n)
                        for g, n, size in (
                            ("programme", treated, programme.mean_list),
                            ("comparison", programme.comparators, programme.comparator_mean_list),
                        )
                    ],
                    population=f"{plan.studies:,} planted studies, {treated} + "
                    f"{programme.comparators} practices",
                    contrast=f"p-value of the published reading, {first} to {last}",
                )
            )
    return distribution(
        "referrals.percentage.p_distribution",
        f"p-value of the published reading in {plan.studies:,} planted studies",
        shares,
        title_nl=f"p-waarde van de gepubliceerde analyse in {plan.studies:,} gesimuleerde studies",
    )
