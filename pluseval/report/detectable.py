"""How small an effect would be found, as pages say it: the committed table of the design, and a run's own."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pluseval.errors import NotFoundError
from pluseval.report.detectable_words import WORDS
from pluseval.report.numbers import check_language, format_number
from pluseval.report.read import Results
from pluseval.report.readback import Html, Number

Against = Literal["beyond", "about", "within"]
_NUMBERS = ("power", "alpha", "effect", "mcse", "mean_level", "relative", "margin", "size")
_COUNTS = ("decimals", "programme", "comparison", "studies", "draws")


@dataclass(frozen=True)
class DetectableEffects:
    """The minimal detectable effect of every planned outcome.

    Parameters
    ----------
    rows : tuple of mapping
        One per outcome, reading (``primary``, ``published``) and procedure (``plan``, ``cr2_bm``), in the
        unit of the outcome.
    manifest : mapping
        What made them.
    own : mapping of str to Number
        A run's own, by outcome; empty where its data cannot say (a conditioned study, no comparators).
    """

    rows: tuple[Mapping[str, Any], ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Number] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path, run: Results | None = None) -> DetectableEffects:
        """The table in a folder, with the values of a run where it has them.

        Raises
        ------
        NotFoundError
            If there is no table; ``make calibrate`` makes one.
        """
        file = Path(folder) / "detectable.csv"
        if not file.is_file():
            raise NotFoundError("there is no table of detectable effects; `make calibrate` makes one")
        with file.open(encoding="utf-8", newline="") as stream:
            rows = tuple({k: _value(k, v) for k, v in row.items()} for row in csv.DictReader(stream))
        made = file.with_suffix(".json")
        known = json.loads(made.read_text(encoding="utf-8")) if made.is_file() else {}
        own = {}
        for one in run or ():
            if one.name.endswith(".detectable"):
                own[one.name.removesuffix(".detectable")] = one.estimates[0]
        return cls(rows, known, own)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes of the table, in its order."""
        return tuple(dict.fromkeys(row["outcome"] for row in self.rows))

    def row(self, key: str, *, reading: str = "primary", procedure: str = "plan") -> Mapping[str, Any] | None:
        """One row; None where the table has it not."""
        wanted = (key, reading, procedure)
        return next((r for r in self.rows if (r["outcome"], r["reading"], r["procedure"]) == wanted), None)

    def against_margin(self, key: str) -> Against | None:
        """Whether the effect lies beyond the margin, about there, or within it; None without a margin.

        A difference of less than two Monte Carlo errors is no difference.
        """
        row = self.row(key)
        if row is None or row["margin"] is None:
            return None
        away = row["effect"] - row["margin"]
        if abs(away) < 2 * row["mcse"]:
            return "about"
        return "beyond" if away > 0 else "within"

    # -- words -------------------------------------------------------------------------------------------

    def sentence(self, key: str, lang: str = "en") -> str:
        """How small an effect on an outcome such a study finds, and what that means for its margin.

        Raises
        ------
        NotFoundError
            If neither the table nor the run has the outcome.
        """
        words, row, own = WORDS[check_language(lang)], self.row(key), self.own.get(key)
        if row is None:
            if own is None:
                raise NotFoundError(f"no detectable effect of {key!r}; there are {', '.join(self.outcomes)}")
            label = own.measure.label_nl if lang == "nl" else own.measure.label
            return words["own_only"].format(
                label=_capital(label), value=_own_value(own, lang), power=format_number(80, 0, lang=lang)
            )
        power = format_number(100 * row["power"], 0, lang=lang)
        place = self.against_margin(key)
        share = (
            "" if place else words["share"].format(share=format_number(100 * row["relative"], 1, lang=lang))
        )
        told = words["sentence"].format(
            label=_capital(_label(row, lang)),
            power=power,
            value=_amount(row, row["effect"], lang),
            share=share,
        )
        if place:
            told += words[place].format(margin=_amount(row, row["margin"], lang), power=power)
        if own is not None:
            told += words["own"].format(value=_own_value(own, lang))
        return told

    def sentences(self, *keys: str, lang: str = "en") -> Html:
        """The sentences of some outcomes, after what they were measured on."""
        items = "".join(f"<li>{html.escape(self.sentence(key, lang))}</li>" for key in keys)
        lead = html.escape(WORDS[check_language(lang)]["lead"])
        return Html(f'<p lang="{lang}">{lead}</p><ul class="pluseval-detectable" lang="{lang}">{items}</ul>')

    def margins(self, *, lang: str = "en") -> Html:
        """For which outcomes the design can show non-inferiority within the margin, and for which not."""
        words = WORDS[check_language(lang)]
        told = []
        for place in ("beyond", "about", "within"):
            keys = [key for key in self.outcomes if self.against_margin(key) == place]
            if keys:
                rows = [row for row in map(self.row, keys) if row is not None]
                names = [_label(row, lang) for row in rows]
                power = format_number(100 * rows[0]["power"], 0, lang=lang)
                told.append(words["margins"][place].format(names=_listed(names, words["and"]), power=power))
        return Html("".join(f"<p>{html.escape(line)}</p>" for line in told))

    def made(self, *, lang: str = "en") -> Html:
        """What the table was measured on."""
        row = self.rows[0]
        counts = {k: format_number(row[k], 0, lang=lang) for k in ("studies", "draws", "programme")}
        return Html(f"<p>{html.escape(WORDS[check_language(lang)]['made'].format(**counts))}</p>")

    # -- the table ---------------------------------------------------------------------------------------

    def table(self, *, lang: str = "en") -> Html:
        """Every outcome with its unit, contrast, procedure, smallest effect, share of the mean and margin."""
        words = WORDS[check_language(lang)]
        heads = [*words["heads"], *([words["own_head"]] if self.own else [])]
        body = []
        for row in self.rows:
            if row["procedure"] == "plan":
                first, *cells = self._cells(row, lang)
                marks = "".join(f"<td>{html.escape(text)}</td>" for text in cells)
                body.append(f'<tr><th scope="row">{html.escape(first)}</th>{marks}</tr>')
        power = format_number(100 * self.rows[0]["power"], 0, lang=lang)
        head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
        return Html(
            f'<table class="pluseval-table pluseval-detectable" lang="{lang}"><caption>'
            f"{html.escape(words['caption'].format(power=power))}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def _cells(self, row: Mapping[str, Any], lang: str) -> list[str]:
        words, digits = WORDS[lang], row["decimals"]
        primary = row["reading"] == "primary"
        label = _capital(_label(row, lang))
        other = self.row(row["outcome"], reading=row["reading"], procedure="cr2_bm")
        place = self.against_margin(row["outcome"]) if primary else None
        cells = [
            label if primary else words["published"].format(label=label),
            row["unit_nl"] if lang == "nl" else row["unit"],
            row["contrast"].replace("->", words["to"]),
            _procedure(row["inference"]),
            f"{format_number(row['effect'], digits, lang=lang)} "
            f"({format_number(row['mcse'], digits + 1, lang=lang)})",
            format_number(100 * row["relative"], 1, lang=lang),
            "" if other is None else format_number(other["effect"], digits, lang=lang),
            words["no_margin"] if place is None else format_number(row["margin"], digits, lang=lang),
            "" if place is None else words["against"][place],
        ]
        if self.own:
            own = self.own.get(row["outcome"]) if primary else None
            cells.append("" if own is None else format_number(own.estimate, digits, lang=lang))
        return cells


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return float(text) if text else None
    return int(text) if name in _COUNTS else text


def _label(row: Mapping[str, Any], lang: str) -> str:
    return row["label_nl"] if lang == "nl" else row["label"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str], last: str) -> str:
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _procedure(inference: str) -> str:
    """The procedure without the number of its draws and their seed."""
    return re.sub(r", (all )?[\d,]+ (flips|assignments|draws).*$", "", inference)


def _amount(row: Mapping[str, Any], value: float, lang: str) -> str:
    unit = row["unit_nl"] if lang == "nl" else row["unit"]
    return _with(format_number(value, row["decimals"], lang=lang), unit)


def _own_value(own: Number, lang: str) -> str:
    unit = own.measure.difference_unit_nl if lang == "nl" else own.measure.difference_unit
    return _with(format_number(own.estimate, own.measure.decimals, lang=lang), unit)


def _with(text: str, unit: str) -> str:
    return f"EUR {text}{unit[3:]}" if unit == "EUR" or unit.startswith("EUR ") else f"{text} {unit}"
