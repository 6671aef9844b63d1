"""Size under the null with shocks that regions share: blocks hold, random sets of places do not.

The map is that of the Netherlands, donors as in the analysis, places of equal size. A place's change is a
shock of its province (30 % of the variance) and one of its own. The region treated is OZL's seven places.
"""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.data.geography import NO_DONORS, OZL, load_geography
from pluseval.estimate.placebo_blocks import PlaceboDistribution
from pluseval.numerics.blocks import random_partitions, random_sets

ICC = 0.3
PARTITIONS = 20


def rejections(simulations, seed):
    """Share of rejections at 5 % by blocks, by random sets of single places and by single places."""
    geography = load_geography()
    province = dict(zip(geography.municipalities, geography.province, strict=True))
    donors = [n for n in geography.municipalities if n not in NO_DONORS]
    rng = np.random.default_rng(seed)
    size, own = np.ones(len(donors)), np.ones(len(OZL))
    provinces = sorted(set(province.values()))
    home = np.array([provinces.index(province[n]) for n in [*donors, *OZL]])
    shared = rng.normal(size=(len(provinces), simulations))[home]
    changes = np.sqrt(ICC) * shared + np.sqrt(1 - ICC) * rng.normal(size=(home.size, simulations))
    elsewhere, region = changes[: len(donors)], changes[len(donors) :]
    effect = region.mean(axis=0) - elsewhere.mean(axis=0)
    options = {"target": own.sum(), "seed": seed}
    shares = [
        (drawn.membership(), drawn.partition_of)
        for drawn in (
            random_partitions(geography.among(donors), size, partitions=PARTITIONS, **options),
            random_sets(size, sets=999, **options),
        )
    ]
    shares.append((np.eye(len(donors)), np.zeros(len(donors), int)))
    found = []
    for groups, partition in shares:
        inside = groups.sum(axis=1, keepdims=True)
        sums = groups @ elsewhere
        placebo = sums / inside - (elsewhere.sum(axis=0) - sums) / (len(donors) - inside)
        p = [PlaceboDistribution(placebo[:, k], partition).p_value(effect[k]) for k in range(simulations)]
        found.append(float(np.mean(np.array(p) <= 0.05)))
    return found


@pytest.mark.slow
def test_blocks_hold_their_size_and_scattered_sets_reject_too_often(request):
    full = request.config.getoption("--full-size", default=False)
    simulations = 4_000 if full else 800
    blocks, scattered, single = rejections(simulations, seed=20210101)
    noise = 3 * np.sqrt(0.06 * 0.94 / simulations)  # three Monte Carlo standard errors
    assert blocks <= 0.07 + noise
    assert scattered >= 2 * blocks - noise
    # places of equal size are noisier than a pooled region: alone they hardly ever reject
    assert single <= blocks
