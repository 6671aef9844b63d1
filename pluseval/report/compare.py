"""Which numbers changed between two runs, by how much, and whether data, plan, code or environment did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pluseval.errors import ComparisonError
from pluseval.report.read import Number, Results

# Relative tolerance: results of other machines agree to 1e-8.
TOLERANCE = 1e-8
# Below this a number is zero for every reader; a p-value of 1e-13 may differ in all its digits.
ZERO = 1e-12
NUMBERS = (
    "estimate",
    "std_error",
    "statistic",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "level",
    "margin",
    "nobs",
    "n_clusters",
)
WORDS = ("scale", "method", "inference")
CAUSES = ("data", "plan", "code", "environment", "seeds")


@dataclass(frozen=True)
class Change:
    """One field of one number that differs; ``difference`` is NaN where a word changed."""

    set: str
    term: str
    field: str
    old: float | str | None
    new: float | str | None
    difference: float


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs of one study.

    Parameters
    ----------
    changed : tuple of Change
        Numbers (and words of method) present in both that differ.
    appeared, disappeared : tuple of (set, term)
        Released in the new run only, in the old run only.
    suppressed : tuple of (set, term, rule)
        Newly suppressed.
    causes : tuple of str
        Which of data, plan, code, environment and seeds differ, from the two manifests.
    details : mapping of str to tuple of str
        For each cause the names that differ (inputs, files, packages).
    """

    changed: tuple[Change, ...]
    appeared: tuple[tuple[str, str], ...]
    disappeared: tuple[tuple[str, str], ...]
    suppressed: tuple[tuple[str, str, str], ...]
    causes: tuple[str, ...]
    details: Mapping[str, tuple[str, ...]]

    @property
    def same_numbers(self) -> bool:
        """Whether a reader of both runs sees the same numbers."""
        return not (self.changed or self.appeared or self.disappeared or self.suppressed)

    @property
    def unexplained(self) -> bool:
        """Whether numbers changed though data, plan, code, versions and seeds did not: a fault."""
        return not self.same_numbers and not self.causes

    @property
    def exit_code(self) -> int:
        """As of diff(1): 0 where no number changed, 1 where one did (11 is a ComparisonError)."""
        return 0 if self.same_numbers else 1

    def to_frame(self) -> pd.DataFrame:
        """One row per changed field: ``set term field old new difference``."""
        columns = ["set", "term", "field", "old", "new", "difference"]
        return pd.DataFrame([[getattr(c, n) for n in columns] for c in self.changed], columns=columns)

    def to_markdown(self) -> str:
        """The comparison as text for a pull request or a page."""
        lines = ["## What changed", ""]
        if self.causes:
            for cause in self.causes:
                names = self.details.get(cause, ())
                listed = ": " + ", ".join(names[:12]) if names else ""
                more = f" and {len(names) - 12} more" if len(names) > 12 else ""
                lines.append(f"- {cause} changed{listed}{more}")
        else:
            lines.append("- data, plan, code, environment and seeds are the same")
        if self.unexplained:
            lines.append("- **numbers changed although nothing that makes them did: this is a fault**")
        lines.append("")
        if self.same_numbers:
            return "\n".join([*lines, "No number changed."]) + "\n"
        if self.changed:
            lines += ["| set | term | field | old | new | difference |", "|---|---|---|--:|--:|--:|"]
            lines += [
                "| " + " | ".join(map(_cell, (c.set, c.term, c.field, c.old, c.new, c.difference))) + " |"
                for c in self.changed
            ]
            lines.append("")
        lines += [f"- appeared: {s}, {_cell(t)}" for s, t in self.appeared]
        lines += [f"- disappeared: {s}, {_cell(t)}" for s, t in self.disappeared]
        lines += [f"- suppressed: {s}, {_cell(t)} ({rule})" for s, t, rule in self.suppressed]
        return "\n".join(lines).rstrip() + "\n"

    def __str__(self) -> str:
        return self.to_markdown()


def compare(old: str | Path, new: str | Path, *, tolerance: float = TOLERANCE) -> Comparison:
    """Hold two runs of one study against each other.

    Parameters
    ----------
    old, new : path
        Two bundles, or folders of runs (their latest).
    tolerance : float
        Relative difference up to which two numbers are the same.

    Raises
    ------
    ComparisonError
        If the runs are of different studies or kinds of data, or the tolerance is negative.
    NotFoundError, UnreadableError
        If a run is not there or not whole.
    """
    if not 0 <= tolerance < 1:
        raise ComparisonError(f"tolerance is {tolerance}; it is a relative difference of 0 or more, as 1e-8")
    before, after = Results.open(old), Results.open(new)
    _same_study(before.manifest, after.manifest)
    first, second = _numbers(before), _numbers(after)
    changed = [c for key in first if key in second for c in _changes(key, first[key], second[key], tolerance)]
    joint_first, joint_second = _joints(before), _joints(after)
    for key in joint_first:
        if key in joint_second:
            changed += _differences(key, joint_first[key], joint_second[key], tolerance)
    held = {(s.name, s.term) for s in before.suppressed}
    causes, details = _causes(before.manifest, after.manifest)
    return Comparison(
        changed=tuple(changed),
        appeared=tuple(k for k in (*second, *joint_second) if k not in first and k not in joint_first),
        disappeared=tuple(k for k in (*first, *joint_first) if k not in second and k not in joint_second),
        suppressed=tuple((s.name, s.term, s.rule) for s in after.suppressed if (s.name, s.term) not in held),
        causes=causes,
        details=details,
    )


def _same_study(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for field, what in (("study", "studies"), ("kind", "kinds of data")):
        if old.get(field, "") != new.get(field, ""):
            raise ComparisonError(
                f"these are results of different {what}: {old.get(field)!r} and {new.get(field)!r}; "
                "compare two runs of one study"
            )


def _numbers(results: Results) -> dict[tuple[str, str], Number]:
    return {(one.name, number.term): number for one in results for number in one}


def _joints(results: Results) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one.name, joint.name): dict(joint) for one in results for joint in one.joint}


def _changes(key: tuple[str, str], old: Number, new: Number, tolerance: float) -> list[Change]:
    names = (*NUMBERS, *WORDS)
    before, after = ({n: n_fields.fields[n] for n in names} for n_fields in (old, new))
    for which, fields in ((old, before), (new, after)):
        fields["contrast"] = which.estimand.contrast
        for count, group in ((which.counts.practices(g), g) for g in ("programme", "comparison")):
            fields[f"practices, {group}"] = count
    return _differences(key, before, after, tolerance)


def _differences(
    key: tuple[str, str], old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float
) -> list[Change]:
    found = []
    for field, before in old.items():
        after = new.get(field)
        if isinstance(before, (int, float)) and isinstance(after, (int, float)):
            if not _close(before, after, tolerance):
                found.append(Change(*key, field, before, after, after - before))
        elif before != after:
            found.append(Change(*key, field, before, after, math.nan))
    return found


def _close(a: float, b: float, tolerance: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=ZERO)


def _causes(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    details: dict[str, tuple[str, ...]] = {}
    for cause, field in zip(CAUSES, ("inputs", "plan", "code", "environment", "seeds"), strict=True):
        before, after = old.get(field) or {}, new.get(field) or {}
        if before == after:
            continue
        if field == "plan":
            details[cause] = ()
        elif field == "environment":
            names = _differing(before.get("packages", {}), after.get("packages", {}))
            details[cause] = (*(k for k in ("python", "platform") if before.get(k) != after.get(k)), *names)
        else:
            details[cause] = _differing(before, after)
    return tuple(details), details


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(k for k in {*old, *new} if old.get(k) != new.get(k)))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value).replace("|", "\\|")
