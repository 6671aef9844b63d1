"""Random streams by name: one seed, one independent generator per part of the study."""

from __future__ import annotations

import numpy as np

# Appending a name leaves the streams of the others as they are.
_STREAMS = (
    "roster",
    "referral levels",
    "cost levels",
    "survey levels",
    "effects",
    "persons",
    "costs",
    "referrals",
    "surveys",
    "panel",
)


def stream(seed: int, name: str, *index: int) -> np.random.Generator:
    """The generator of one part of the study.

    Parameters
    ----------
    seed : int
        Seed of the study.
    name : str
        Part, one of the declared names.
    *index : int
        Practice, attempt: a stream of its own for each, so that the order of work does not matter.
    """
    key = (_STREAMS.index(name), *index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=key)))
