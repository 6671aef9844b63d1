"""The front page's answer: the conjunctive hypothesis of the trial register, then question by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pluseval.report.claim import claims
from pluseval.report.phrases import PHRASES
from pluseval.report.verdict import Verdict

# The front page's questions, and those of them that the conjunctive hypothesis joins.
FRONT = ("health", "experience", "msz", "total", "referrals")
PARTS = ("msz", "total", "health", "experience")
# Verdicts that show a change, of whatever size.
CHANGED = ("lower", "higher", "worse")

Outcome = Literal["shown", "not_shown", "contradicted", "not_testable"]


@dataclass(frozen=True)
class Conjunction:
    """The hypothesis of the trial register as an intersection-union test.

    ``key``: ``shown`` (every part passed), ``contradicted`` (a part was shown to go the wrong way),
    ``not_testable`` (a part has no released result), else ``not_shown``. Each part is tested one-sided at
    half of alpha without adjustment: the whole holds only if all hold (Berger 1982, Technometrics 24:
    295-300). ``contradicted`` is no such test: any part can bring it about, each with half of alpha.
    """

    key: Outcome
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    absent: tuple[str, ...]


def part_passes(found: Verdict) -> bool:
    """Whether a verdict supports its part: the better direction for superiority, not worse otherwise."""
    if found.hypothesis == "noninferiority":
        improved = found.key in ("lower", "higher") and found.favourable is True
        return improved or found.key in ("not_worse", "equivalent")
    return found.hypothesis == "superiority" and found.key in ("lower", "higher") and found.favourable is True


def part_contradicts(found: Verdict) -> bool:
    """Whether a verdict shows the opposite of its part."""
    return found.key == "worse" or (found.key in ("lower", "higher") and found.favourable is False)


def conjunction(verdicts: Mapping[str, Verdict], *, parts: tuple[str, ...] = PARTS) -> Conjunction:
    """Lower cost AND not-worse health AND not-worse experience, as one intersection-union statement.

    Parameters
    ----------
    verdicts : mapping
        Verdict by question key.
    parts : tuple of str
        The keys that must all pass; both kinds of cost by default.
    """
    tested = {k: verdicts[k] for k in parts if k in verdicts and verdicts[k].key != "not_testable"}
    passed = tuple(k for k in parts if k in tested and part_passes(tested[k]))
    absent = tuple(k for k in parts if k not in tested)
    failed = tuple(k for k in parts if k in tested and k not in passed)
    key: Outcome
    if any(part_contradicts(tested[k]) for k in failed):
        key = "contradicted"
    elif absent:
        key = "not_testable"
    else:
        key = "shown" if not failed else "not_shown"
    return Conjunction(key, passed, failed, absent)


def answer(verdicts: Mapping[str, Verdict], *, parts: tuple[str, ...] = PARTS) -> dict[str, list[str]]:
    """The front page's answer in both languages, sentence by sentence.

    Only the questions of ``FRONT`` are told; nothing where none of them was asked. First what the data are
    (where synthetic), then the conjunctive hypothesis of the trial register, then one sentence for each
    question, and one where what was published disagrees with it: a published reading that, run again, gives
    another verdict, or (real data only) a published "no change" where the primary procedure shows one.

    Parameters
    ----------
    verdicts : mapping
        Verdict by question key (health, experience, msz, total, referrals), from ``words.find``.
    parts : tuple of str
        The keys of the conjunctive hypothesis.
    """
    whole = conjunction(verdicts, parts=parts)
    told: dict[str, list[str]] = {}
    for lang in ("en", "nl"):
        words = PHRASES[lang]
        names = words["questions"]

        def listed(keys: tuple[str, ...], words: dict = words, names: dict = names) -> str:
            each = [names.get(k, k) for k in keys]
            return words["and"].join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)

        field = "source_label_nl" if lang == "nl" else "source_label"
        labels = sorted({getattr(v, field) for k, v in verdicts.items() if k in FRONT} - {""})
        lines = [words["data_are"].format(label=label) for label in labels]
        if any(key in verdicts for key in parts):
            against = tuple(k for k in whole.failed if part_contradicts(verdicts[k]))
            failed = against if whole.key == "contradicted" else whole.failed
            lines.append(
                words[f"whole_{whole.key}"].format(
                    failed=listed(failed) if failed else "",
                    absent=listed(whole.absent) if whole.absent else "",
                )
            )
        for key, found in verdicts.items():
            if key not in FRONT:
                continue
            name = names.get(key, key)
            lines.append(f"{name[:1].upper()}{name[1:]}: {found.sentence(lang)}")
            differs = disagreement(found, verdicts.get(f"{key}_published"), name=name, lang=lang)
            lines += [differs] if differs else []
        told[lang] = lines
    return told


def disagreement(found: Verdict, published: Verdict | None, *, name: str, lang: str = "en") -> str:
    """One sentence where the primary verdict and what was published disagree; else nothing.

    Parameters
    ----------
    found : Verdict
        By the plan's primary procedure.
    published : Verdict, optional
        Of the published reading, run again on the same data; where it is testable it goes before what the
        claims say in words.
    name : str
        The question, in words of the language.
    lang : {"en", "nl"}
    """
    words = PHRASES[lang]
    primary = words["verdicts"][found.key]
    if found.key == "not_testable":
        return ""
    if published and published.key != "not_testable":
        if published.key == found.key:
            return ""
        other, told = words["verdicts"][published.key], published.told(lang)
        return words["readings_differ"].format(name=name, published=other, told=told, primary=primary)
    # Synthetic numbers can neither support nor contradict what was found in PlusPraktijken.
    unchanged = [claim.id for claim in claims() if found.set_name in claim.unchanged]
    if found.source_kind != "real" or not unchanged or found.key not in CHANGED:
        return ""
    named = words["and"].join(unchanged)
    return words["finding_differs"].format(name=name, claim=named, primary=primary, told=found.told(lang))
