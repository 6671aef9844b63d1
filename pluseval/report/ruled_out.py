"""What the numbers behind a claim of "no change" rule out, in the words of the verdicts."""

from __future__ import annotations

from typing import Any

from pluseval.report.claim import Claim
from pluseval.report.numbers import with_unit
from pluseval.report.words import verdict

DESCRIPTION = "A description of levels, never an effect: nothing is tested here, so nothing is ruled out."


def ruled_out(claim: Claim, described: str, results: Any) -> tuple[str, ...]:
    """A sentence for each number that the claim says did not change; empty for other claims.

    Parameters
    ----------
    claim : Claim
    described : str
        The levels in words, where the claim is about levels.
    results : Released or Results
        Anything that says ``name in results`` and ``results[name]``.

    Returns
    -------
    tuple of str
        The levels first, where the claim states them; then one verdict per set of ``claim.unchanged``,
        against the margin that the plan fixed where there is one. A description of levels has no verdict, and
        says so.
    """
    levels = (f"Levels: {described}.",) if described else ()
    if levels and not claim.unchanged:
        return (*levels, *_ratios(claim, results), DESCRIPTION)
    numbers = [next(iter(results[name])) for name in claim.unchanged if name in results]
    return (*levels, *map(_sentence, numbers)) if numbers else ()


def _sentence(number: Any) -> str:
    """The verdict on one number: against its margin where it has one, else against no effect."""
    told = verdict(
        number,
        hypothesis="superiority" if number.margin is None else "noninferiority",
        alpha=round(1 - number.level, 9),
    ).sentence()
    if number.scale != "ratio":
        return told
    # The ratio of sums lets practices count by their size, the difference may not: the weight is said.
    return f"In percent ({number.estimand.weight.split(';')[0]}): {told}"


def _ratios(claim: Claim, results: Any) -> tuple[str, ...]:
    """Growth of one group over growth of the other: 1 where both grew by the same percentage."""
    found = [results[name] for name in claim.also if name.endswith(".ratio") and name in results]
    return tuple(
        f"On the ratio scale: the growth factor of {n.measure.label} is {with_unit(n.estimate, n)} that of "
        f"the other practices ({_years(n)}); 1 is equal growth in percent."
        for n in (next(iter(one)) for one in found)
    )


def _years(number: Any) -> str:
    """The two windows that a contrast compares."""
    return number.estimand.contrast.split(",")[0].removeprefix("change ")
