"""The one family of errors, each kind with its exit code.

    PlusevalError              1   anything that stops pluseval on purpose
    ├── NotFoundError          3   a folder, file or table that is not there
    ├── UnreadableError        4   a file that cannot be read as what its name says
    ├── ContractError          5   data that break the declared contract (all failures at once)
    ├── PlanError              6   an analysis plan that is not valid or not met
    ├── DesignError            7   a design that cannot answer the question asked of it
    │   └── ConditionedError   8   a conditioned synthetic study used to measure error rates or power
    ├── DisclosureError        9   a result that may not leave
    ├── StaleError            10   results or a book that no longer match data, plan, code or versions
    └── ComparisonError       11   two sets of results that cannot be compared

A message says what was found, where, and what to do. It never shows a person's value.
"""

from __future__ import annotations


class PlusevalError(Exception):
    """Anything that stops pluseval on purpose; the message says what to do."""

    exit_code = 1


class NotFoundError(PlusevalError):
    """A folder, file or table that is not there."""

    exit_code = 3


class UnreadableError(PlusevalError):
    """A file that cannot be read as what its name says (truncated, empty, wrong encoding)."""

    exit_code = 4


class ContractError(PlusevalError):
    """Data that break the declared contract; ``failures`` holds every one of them.

    Parameters
    ----------
    message : str
        What was found and what to do.
    failures : sequence
        The failures, each with ``table``, ``column``, ``rule`` and ``count``.
    """

    exit_code = 5

    def __init__(self, message: str, failures: tuple = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class PlanError(PlusevalError):
    """An analysis plan that is not valid, or a planned outcome that was not reported."""

    exit_code = 6


class DesignError(PlusevalError, ValueError):
    """A design, frame or choice that cannot answer the question asked of it."""

    exit_code = 7


class ConditionedError(DesignError):
    """A conditioned synthetic study used to measure error rates, coverage, power or recovery."""

    exit_code = 8


class DisclosureError(PlusevalError):
    """A result that may not leave: it did not pass ``release``, or fails its rules."""

    exit_code = 9


class StaleError(PlusevalError):
    """Results or a book that no longer match their data, plan, code or versions."""

    exit_code = 10


class ComparisonError(PlusevalError):
    """Two sets of results that cannot be compared."""

    exit_code = 11
