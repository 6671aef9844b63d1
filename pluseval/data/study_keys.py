"""The keys of a study: ``study.toml``, completed or replaced by ``[study]`` of the mapping."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pluseval.data.findings import RULES, Failure
from pluseval.data.mapping import Mapping as StudyMapping
from pluseval.data.schema import STUDY_KEYS
from pluseval.data.study import StudyMeta
from pluseval.errors import UnreadableError


def read_study_file(folder: Path) -> dict[str, Any]:
    """``study.toml`` of a folder as it stands; empty where there is none."""
    path = folder / "study.toml"
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"study.toml is not valid TOML: {error}") from None


def stated_keys(file: Mapping[str, Any], mapping: StudyMapping) -> dict[str, Any]:
    """Every key with what the mapping, the file or its default says; None where nobody says."""
    both = {**file, **mapping.study}
    return {k.name: both.get(k.name, k.default) for k in STUDY_KEYS}


def study_meta(
    file: Mapping[str, Any], mapping: StudyMapping, name: str, sources: Mapping[str, Any], has_truth: bool
) -> tuple[StudyMeta | None, list[Failure]]:
    """The keys as a value, or what is wrong with them."""
    values = stated_keys(file, mapping)
    found: list[Failure] = []

    def fail(key: str, rule: str, detail: str) -> None:
        found.append(Failure("study.toml", key, rule, 1, "error", detail))

    for unknown in sorted(set(file) - {k.name for k in STUDY_KEYS}):
        fail(unknown, "study_value", f"no such key; use {', '.join(k.name for k in STUDY_KEYS)}")
    run_off = bool(sources.get("insured_years") or sources.get("referrals"))
    for key in STUDY_KEYS:
        value = values[key.name]
        if value is None:
            if key.required or (key.name == "complete_through" and run_off):
                fail(key.name, "missing_key", f"{RULES['missing_key']}: {key.description}")
        elif not isinstance(value, int if key.type == "int" else str) or isinstance(value, bool):
            fail(key.name, "study_value", f"must be {'a whole number' if key.type == 'int' else 'text'}")
        elif key.allowed and value not in key.allowed:
            fail(key.name, "study_value", f"use {' or '.join(key.allowed)}")
    if file.get("kind", values["kind"]) != values["kind"] or (has_truth and values["kind"] == "real"):
        fail("kind", "study_value", "generated data cannot be declared real by the mapping")
    if not found and values["first_year"] > values["last_year"]:
        fail("first_year", "study_value", "must not be after last_year")
    last = values["complete_through"]
    if not found and last is not None and last < values["first_year"]:
        fail("complete_through", "study_value", "lies before first_year: no year would be left")
    if found:
        return None, found
    return StudyMeta(**{**values, "name": values["name"] or name}), []
