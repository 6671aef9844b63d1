"""Released results read back, light enough for every page of a book (no pandas, no plotting)."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluseval.errors import DesignError, NotFoundError, UnreadableError
from pluseval.report.catalogue import SETS
from pluseval.report.numbers import check_language, decimals_of, format_number, unit_of, with_unit
from pluseval.report.phrases import PHRASES
from pluseval.report.readback import Html, Number, Quantity, ReadCounts, ReadSet, Record, near_names
from pluseval.report.verdict import Verdict

POINTER = "latest"
_NUMERIC = ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")
_SUPPRESSED = {"en": "Suppressed", "nl": "Onderdrukt"}


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Results:
    """Any number of released bundles as one: numbers, sentences, tables and figures by name.

    Make one with :meth:`open` and :meth:`combine` (where two bundles state one fact, the first counts). A
    name that the analyses may produce but no bundle holds shows as "Not testable on these data"; any other
    unknown name is an error that lists near names.
    """

    sets: Mapping[str, ReadSet]
    suppressed: tuple[Record, ...] = ()
    manifests: tuple[Mapping[str, Any], ...] = ()
    findings: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folders: Mapping[str, Path] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Results:
        """The results in a bundle, or the latest run in a folder of runs.

        Raises
        ------
        NotFoundError
            If there is no bundle.
        UnreadableError
            If a file of it is not what its name says.
        """
        place = run_folder(folder)
        content = _json(place / "results.json")
        manifest = _json(place / "manifest.json")
        found = _json(place / "findings.json") if (place / "findings.json").exists() else {}
        try:
            sets = {s["name"]: _read_set(s) for s in content["sets"]}
            suppressed = tuple(Record(s) for s in content["suppressed"])
        except (KeyError, TypeError) as error:
            raise UnreadableError(
                f"results.json lacks {error}; it was written by another version or changed by hand"
            ) from None
        return cls(
            sets=sets,
            suppressed=suppressed,
            manifests=(manifest,),
            findings=found.get("verdicts", {}),
            answers={k: tuple(v) for k, v in found.get("answer", {}).items() if v},
            facts=found.get("facts", {}),
            folders={name: place for name in sets},
        )

    @classmethod
    def combine(cls, *bundles: Results) -> Results:
        """Several bundles as one.

        Raises
        ------
        DesignError
            If two bundles hold a set or a finding of one name: a reader could not tell which is shown.
        """
        sets: dict[str, ReadSet] = {}
        findings: dict[str, Any] = {}
        answers: dict[str, tuple[str, ...]] = {}
        folders: dict[str, Path] = {}
        facts: dict[str, Any] = {}
        for bundle in bundles:
            twice = sorted((set(sets) & set(bundle.sets)) | (set(findings) & set(bundle.findings)))
            if twice:
                raise DesignError(
                    f"two bundles hold {', '.join(twice)}; combine bundles of different analyses"
                )
            sets.update(bundle.sets)
            findings.update(bundle.findings)
            folders.update(bundle.folders)
            facts.update({k: v for k, v in bundle.facts.items() if k not in facts})
            for lang, lines in bundle.answers.items():
                answers[lang] = answers.get(lang, ()) + tuple(lines)
        return cls(
            sets=sets,
            suppressed=tuple(s for bundle in bundles for s in bundle.suppressed),
            manifests=tuple(m for bundle in bundles for m in bundle.manifests),
            findings=findings,
            answers=answers,
            facts=facts,
            folders=folders,
        )

    # -- what is there ---------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all sets."""
        return tuple(self.sets)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the one bundle, or of the first of several."""
        return self.manifests[0] if self.manifests else {}

    @property
    def sources(self) -> tuple[Record, ...]:
        """Every source that the numbers come from, once."""
        found: dict[tuple, Record] = {}
        for one in self.sets.values():
            for number in one:
                found.setdefault(tuple(number.source.values()), number.source)
        return tuple(found.values())

    @property
    def source(self) -> Record | None:
        """The first source (the only one of a single bundle); None where nothing was released."""
        return self.sources[0] if self.sources else None

    @property
    def source_label(self) -> str:
        """The warnings that the data carry, empty for real data."""
        return "; ".join(longest(s.label for s in self.sources))

    @property
    def n_estimates(self) -> int:
        """How many estimates were released."""
        return sum(len(one) for one in self)

    @property
    def n_suppressed(self) -> int:
        """How many were held back."""
        return len(self.suppressed)

    def __contains__(self, name: object) -> bool:
        return name in self.sets

    def __getitem__(self, name: str) -> ReadSet:
        return self.get(name)

    def __iter__(self) -> Iterator[ReadSet]:
        return iter(self.sets.values())

    def get(self, name: str) -> ReadSet:
        """A set by name.

        Raises
        ------
        NotFoundError
            If no bundle holds it; the message says why, or lists near names.
        """
        if name in self.sets:
            return self.sets[name]
        reason = self._absence(name, "en")
        if reason:
            raise NotFoundError(f"{name}: {reason}")
        raise NotFoundError(near_names("result", name, [*self.sets, *SETS]))

    def number(self, name: str, term: str | None = None, field: str = "estimate") -> Quantity:
        """One number with its decimals and unit: of the first term where none is named.

        Raises
        ------
        NotFoundError
            If the set, term or field is not there.
        """
        one = self.get(name)
        found = one.estimates[0] if term is None else one[term]
        if field not in found.fields or isinstance(found.fields[field], (str, Mapping, tuple)):
            numeric = [f for f, v in found.fields.items() if isinstance(v, (int, float))]
            raise NotFoundError(near_names("field", field, numeric))
        value = _float(found.fields[field])
        decimals = {"p_value": 3, "statistic": 2, "df": 1, "nobs": 0, "n_clusters": 0}.get(
            field, decimals_of(found)
        )
        return Quantity(value, decimals=decimals, unit=unit_of(found))

    # -- what is shown -----------------------------------------------------------------------------------

    def show(self, name: str, term: str | None = None, *, lang: str = "en") -> Html:
        """A number with its interval and unit; "Not testable on these data" where no bundle has it."""
        if name not in self.sets:
            return self._missing(name, lang)
        one = self.sets[name]
        found = one.estimates[0] if term is None else one[term]
        text = with_unit(found.estimate, found, lang=lang)
        if not math.isnan(found.conf_low):
            digits = decimals_of(found)
            text += " " + PHRASES[lang]["interval"].format(
                level=format_number(100 * found.level, 0, lang=lang),
                low=format_number(found.conf_low, digits, lang=lang),
                high=format_number(found.conf_high, digits, lang=lang),
            ).join("()")
        mark = found.source.label_nl if lang == "nl" else found.source.label
        title = f' title="{html.escape(mark, quote=True)}"' if mark else ""
        return Html(f'<span class="pluseval-number"{title}>{html.escape(text)}</span>')

    def figure(self, name: str, *, lang: str = "en") -> Html:
        """The figure of a set, with its alt text and caption."""
        return self._file("figures", name, lang)

    def table(self, name: str, *, lang: str = "en") -> Html:
        """The table of a set."""
        return self._file("tables", name, lang)

    def verdict(self, key: str) -> Verdict:
        """A verdict of findings.json; ``not_testable`` where no bundle asked the question."""
        if key in self.findings:
            return _read_verdict(self.findings[key])
        words = {f"sentence_{lang}": PHRASES[lang]["not_testable"] for lang in ("en", "nl")}
        return Verdict(key="not_testable", hypothesis="description", alpha=0.05, **words)

    def sentence(self, key: str, *, lang: str = "en") -> Html:
        """The sentence of a verdict."""
        return Html(f"<p>{html.escape(self.verdict(key).sentence(lang))}</p>")

    def answer(self, lang: str = "en") -> Html:
        """The front page's answer as a list."""
        lines = self.answers.get(check_language(lang), (PHRASES[lang]["not_testable"],))
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        return Html(f'<ul class="pluseval-answer" lang="{lang}">{items}</ul>')

    def _file(self, kind: str, name: str, lang: str) -> Html:
        if name not in self.sets:
            return self._missing(name, lang)
        file = self.folders[name] / kind / f"{name}.html"
        dutch = file.with_suffix(".nl.html") if lang == "nl" else file
        if dutch.exists():
            file = dutch
        if not file.exists():
            raise NotFoundError(
                f"the bundle has no {kind[:-1]} {name!r}; its display is {self.sets[name].display!r}"
            )
        return Html(file.read_text(encoding="utf-8"))

    def _absence(self, name: str, lang: str) -> str:
        rules = sorted({s.rule for s in self.suppressed if s.name == name})
        if rules:
            return f"{_SUPPRESSED[lang]} ({'; '.join(rules)})"
        return PHRASES[lang]["not_testable"] if name in SETS else ""

    def _missing(self, name: str, lang: str) -> Html:
        reason = self._absence(name, check_language(lang))
        if not reason:
            raise NotFoundError(near_names("result", name, [*self.sets, *SETS]))
        return Html(f'<span class="pluseval-absent">{html.escape(reason)}</span>')


def longest(labels: Iterable[str]) -> list[str]:
    """Labels once each, without those with which another one begins."""
    found = set(labels) - {""}
    return sorted(a for a in found if not any(b != a and b.startswith(a) for b in found))


def run_folder(folder: str | Path) -> Path:
    """The folder of the latest whole run, or the folder itself if it is a bundle.

    Raises
    ------
    NotFoundError
        If neither is there.
    """
    place = Path(folder)
    if (place / "results.json").is_file():
        return place
    pointer = place / POINTER
    if not pointer.is_file():
        raise NotFoundError(
            f"no results in {place.name!r}: neither results.json nor {POINTER}; run pluseval run first"
        )
    name = pointer.read_text(encoding="utf-8").strip()
    # A run killed while it replaced a folder of the same name leaves the earlier one set aside.
    for candidate in (name, f"{name}.old"):
        if name and "/" not in name and (place / candidate / "results.json").is_file():
            return place / candidate
    raise NotFoundError(f"{POINTER} names a run that is not there; run pluseval run again")


def _json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"the bundle has no {file.name}; it is not whole") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"{file.name} is not JSON ({type(error).__name__}); write the results again"
        ) from None


def _read_set(content: Mapping[str, Any]) -> ReadSet:
    joint = [{k: _float(v) if k in _NUMERIC else v for k, v in j.items()} for j in content["joint"]]
    return ReadSet(
        name=content["name"],
        title=content["title"],
        title_nl=content["title_nl"],
        display=content["display"],
        estimates=tuple(_read_number(e) for e in content["estimates"]),
        joint=tuple(Record(j) for j in joint),
    )


def _read_number(content: Mapping[str, Any]) -> Number:
    fields = dict(content)
    for name in _NUMERIC:
        fields[name] = _float(fields[name])
    fields["intervals"] = tuple(Record({k: _float(v) for k, v in i.items()}) for i in fields["intervals"])
    fields["tests"] = tuple(Record({k: _float(v) for k, v in t.items()}) for t in fields["tests"])
    fields["losses"] = tuple(Record(loss) for loss in fields["losses"])
    fields["notes"] = tuple(fields["notes"])
    counts = dict(fields["counts"])
    counts["cells"] = tuple(
        Record({**c, "part": c.get("part", ""), "years": tuple(map(Record, c.get("years", ())))})
        for c in counts["cells"]
    )
    fields["counts"] = ReadCounts(counts)
    for name in ("measure", "estimand", "source"):
        fields[name] = Record(fields[name])
    return Number(Record(fields))


def _read_verdict(content: Mapping[str, Any]) -> Verdict:
    fields = dict(content)
    for name in ("estimate", "conf_low", "conf_high", "p_value", "equivalence_low", "equivalence_high"):
        fields[name] = _float(fields[name])
    return Verdict(**fields)
