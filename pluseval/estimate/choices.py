"""The choices of a specification as the words of a term, and back."""

from __future__ import annotations

from collections.abc import Mapping

PRIMARY = " (primary)"


def term_of(choices: Mapping[str, str]) -> str:
    """The choices in one line.

    Examples
    --------
    >>> term_of({"estimator": "did", "weight": "practice"})
    'estimator: did; weight: practice'
    """
    return "; ".join(f"{name}: {choice}" for name, choice in choices.items())


def read_choices(term: str) -> dict[str, str]:
    """The choices that a term records; empty where it records none.

    Examples
    --------
    >>> read_choices("estimator: did; weight: practice (primary)")
    {'estimator': 'did', 'weight': 'practice'}
    >>> read_choices("Welch t")
    {}
    """
    parts = [part.split(": ", 1) for part in term.removesuffix(PRIMARY).split("; ")]
    return {part[0]: part[1] for part in parts} if all(len(part) == 2 for part in parts) else {}
