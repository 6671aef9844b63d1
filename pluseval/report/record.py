"""A released set as plain values: what ``results.json`` holds, and nothing that could reveal a practice."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

from pluseval.errors import DesignError
from pluseval.estimate.result import Cell, Estimate, EstimateSet, JointTest
from pluseval.report.disclosure import Released, require_released

SCHEMA = 1
# Twelve significant digits: far below any tolerance, and above the last-bit differences of other machines.
SIGNIFICANT = 12
LEVELS = (0.90, 0.95)


def plain(value: Any) -> Any:
    """A value for JSON: floats at twelve digits by repr, not-a-number as null, the infinite as a word."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    number = float(value)  # numpy's floats and integers too
    if math.isnan(number):
        return None
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return float(f"{number:.{SIGNIFICANT}g}") + 0.0


def _intervals(estimate: Estimate) -> list[dict[str, Any]]:
    kept = []
    for level in sorted({*LEVELS, estimate.level}):
        try:
            low, high = estimate.conf_int(level)
        except DesignError:
            continue  # the procedure kept nothing to make this level from
        kept.append({"level": level, "low": low, "high": high})
    return kept


def _tests(estimate: Estimate) -> list[dict[str, Any]]:
    """The p-values of the same procedure at both margins, so that a bundle can tell of non-inferiority."""
    if estimate.margin is None or estimate.test is None:
        return []
    if estimate.scale == "ratio":
        values = (1 / estimate.margin, estimate.margin)
    else:
        values = (-estimate.margin, estimate.margin)
    return [{"value": value, "p_value": estimate.p_at(value)} for value in values]


def _estimate(estimate: Estimate) -> dict[str, Any]:
    counts, measure, sheet, source = estimate.counts, estimate.measure, estimate.estimand, estimate.source
    # The shares of the largest contributors stay inside: share times sum is a practice's own value.
    cells = [_cell(c) for c in counts.cells]
    names = (
        "term estimate std_error statistic df p_value conf_low conf_high level scale group at margin method "
        "inference nobs n_clusters notes"
    ).split()
    record = {name: getattr(estimate, name) for name in names}
    record["intervals"] = _intervals(estimate)
    record["tests"] = _tests(estimate)
    record["losses"] = [{"reason": loss.reason, "count": loss.count} for loss in estimate.losses]
    record["counts"] = {
        "level": counts.level,
        "df_resid": counts.df_resid,
        "names_practices": counts.names_practices,
        "of": counts.of,
        "cells": cells,
    }
    record["measure"] = {
        name: getattr(measure, name)
        for name in (
            "key label label_nl unit unit_nl difference_unit difference_unit_nl better per decimals additive"
        ).split()
    }
    record["estimand"] = {
        name: getattr(sheet, name)
        for name in "population unit weight contrast scale assumption treated_as".split()
    }
    record["source"] = {
        "name": source.name,
        "kind": source.kind,
        "content_hash": source.content_hash,
        "label": source.label,
        "label_nl": source.label_nl,
    }
    return record


def _cell(cell: Cell) -> dict[str, Any]:
    record: dict[str, Any] = {
        name: getattr(cell, name) for name in ("group", "period", "persons", "practices")
    }
    if cell.part:
        record["part"] = cell.part
    if len(cell.years) > 1:  # the next release is compared with this one year by year
        names = ("period", "practices", "persons")
        record["years"] = [{name: getattr(year, name) for name in names} for year in cell.years]
    return record


def _joint(joint: JointTest) -> dict[str, Any]:
    return {name: getattr(joint, name) for name in "name statistic df p_value inference".split()}


def set_record(one: EstimateSet) -> dict[str, Any]:
    """One set as plain values."""
    return plain(
        {
            "name": one.name,
            "title": one.title,
            "title_nl": one.title_nl,
            "display": one.display,
            "estimates": [_estimate(e) for e in one.estimates],
            "joint": [_joint(j) for j in one.joint],
        }
    )


def results_record(released: Released) -> dict[str, Any]:
    """Everything released, as plain values: the content of ``results.json``.

    Raises
    ------
    DisclosureError
        If ``released`` did not come from ``release``.
    """
    require_released(released, by="results.json")
    rules = released.rules
    return plain(
        {
            "schema": SCHEMA,
            "sets": [set_record(one) for one in released.sets],
            "suppressed": [{"name": s.name, "term": s.term, "rule": s.rule} for s in released.suppressed],
            "rules": {name: getattr(rules, name) for name in type(rules).__dataclass_fields__},
        }
    )
