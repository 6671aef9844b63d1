"""At least one of several outcomes: one test over a common resampling of practices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Collapsed, collapse, require_variation, two_windows
from pluseval.estimate.inference import JointInference
from pluseval.estimate.problem import Changes
from pluseval.estimate.result import JointTest

Span = Sequence[Sequence[int]]


def at_least_one(
    frames: Mapping[str, AnalysisFrame],
    *,
    inference: JointInference,
    windows: Span | Mapping[str, Span] | None = None,
    name: str = "at least one outcome",
) -> JointTest:
    """Test that the programme changed at least one of several outcomes, whatever their dependence.

    Null hypothesis: that of the inference for every outcome at once. A practice keeps all its outcomes when
    practices are reassigned, so only practices with every outcome take part.

    Parameters
    ----------
    frames : mapping of str to AnalysisFrame
        By name.
    inference : MaxT, or another with ``joint``
    windows : ((first, last), (first, last)) or a mapping of them by name, optional
        May be left out for frames with two periods.
    name : str

    Raises
    ------
    DesignError
        Fewer than two frames, no common practices of both groups, or what the inference refuses.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing.
    """
    if len(frames) < 2:
        raise DesignError("at_least_one needs two outcomes or more; for one use did")
    if not isinstance(inference, JointInference):
        raise DesignError("at_least_one: give an inference with a joint test, as MaxT(draws=9_999, seed=1)")
    made: dict[str, Collapsed] = {}
    for called, frame in frames.items():
        span = windows[called] if isinstance(windows, Mapping) else windows
        made[called] = collapse(frame, two_windows(frame, None, span, asked_by=f"at_least_one, {called}"))
    first = next(iter(made.values()))
    common = first.clusters
    for one in made.values():
        common = common[common.isin(one.clusters)]
    if common.empty:
        raise DesignError("at_least_one: no practice has every outcome; common resampling needs those")
    kept = {
        called: one.keep(one.clusters.isin(common), "other outcomes missing") for called, one in made.items()
    }
    for called, one in kept.items():
        require_variation(one, f"at_least_one, {called}")
    reference = next(iter(kept.values()))
    problem = Changes(
        y=np.column_stack([one.values[:, 1] - one.values[:, 0] for one in kept.values()]),
        treated=reference.treated,
        fixed=np.ones((common.size, 1)),
        terms=tuple(kept),
        columns=reference.columns,
    )
    return inference.joint(problem, name)
