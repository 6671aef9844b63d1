"""Captions and alternative text, made from the result that is shown."""

from __future__ import annotations

import html
from typing import Any

from pluseval.estimate.choices import PRIMARY
from pluseval.report.numbers import decimals_of, format_number, unit_of

_WORDS = {
    "en": {
        "two": "{programme} programme and {comparison} comparison practices",
        "one": "{programme} programme practices",
        "two_places": "{programme} municipalities of the region and {comparison} others",
        "one_places": "{programme} municipalities of the region",
        "units": "{units} units",
        "persons": "at least {persons} persons in every cell",
        "unit": "Unit: {unit}.",
        "n": "n: {n}.",
        "source": "Source: {source}.",
        "intervals": "Lines and bars are {level}% intervals.",
        "programme": "programme",
        "comparison": "comparison",
        "programme_places": "region",
        "comparison_places": "rest of the country",
        "from_to": "{group} {first} in {start} to {last} in {end}",
        "effects": "Effect plot",
        "event_study": "Event study by year",
        "trajectory": "Line chart by year",
        "distribution": "Bar chart of a distribution",
        "specification": "Specification curve",
        "curve": "{n} specifications, from {low} to {high}",
        "lead": "the primary one {value}",
        "table": "Table",
        "interval": "{value} ({low} to {high})",
        "more": "and {n} more, in the data table",
        "margin": "The margin of {margin} is drawn.",
    },
    "nl": {
        "two": "{programme} programmapraktijken en {comparison} vergelijkingspraktijken",
        "one": "{programme} programmapraktijken",
        "two_places": "{programme} gemeenten van de regio en {comparison} andere",
        "one_places": "{programme} gemeenten van de regio",
        "units": "{units} eenheden",
        "persons": "minstens {persons} personen in elke cel",
        "unit": "Eenheid: {unit}.",
        "n": "n: {n}.",
        "source": "Bron: {source}.",
        "intervals": "Lijnen en balken zijn {level}%-intervallen.",
        "programme": "programma",
        "comparison": "vergelijking",
        "programme_places": "regio",
        "comparison_places": "rest van het land",
        "from_to": "{group} {first} in {start} tot {last} in {end}",
        "effects": "Effectplot",
        "event_study": "Effect per jaar",
        "trajectory": "Lijngrafiek per jaar",
        "distribution": "Staafdiagram van een verdeling",
        "specification": "Specificatiecurve",
        "curve": "{n} specificaties, van {low} tot {high}",
        "lead": "de primaire {value}",
        "table": "Tabel",
        "interval": "{value} ({low} tot {high})",
        "more": "en nog {n}, in de datatabel",
        "margin": "De marge van {margin} is getekend.",
    },
}
ALT_TERMS = 8


def title_of(one: Any, *, lang: str = "en") -> str:
    """The title in the language, English where there is no Dutch one."""
    return (one.title_nl or one.title) if lang == "nl" else one.title


def units_of(one: Any, *, lang: str = "en") -> tuple[str, ...]:
    """The units of a set, once each, in order."""
    return tuple(dict.fromkeys(unit_of(e, lang=lang) for e in one))


def sample(one: Any, *, lang: str = "en") -> str:
    """How many practices (and at least how many persons) the numbers of a set rest on."""
    words = _WORDS[lang]
    arms = {g: _range([e.counts.practices(g) for e in one]) for g in ("programme", "comparison")}
    places = "_places" if all(e.counts.of == "municipalities" for e in one) else ""
    if arms["programme"] and arms["comparison"]:
        text = words[f"two{places}"].format(**arms)
    elif arms["programme"]:
        text = words[f"one{places}"].format(**arms)
    else:
        text = words["units"].format(units=_range([e.n_clusters for e in one]))
    persons = [c.persons for e in one for c in e.counts.cells if c.persons]
    if persons:
        text += ", " + words["persons"].format(persons=format_number(min(persons), 0, lang=lang))
    return text


def _range(values: list[int]) -> str:
    present = sorted({v for v in values if v})
    if not present:
        return ""
    return str(present[0]) if len(present) == 1 else f"{present[0]}-{present[-1]}"


def label_of(one: Any, *, lang: str = "en") -> str:
    """The warning that the data carry, empty for real data."""
    labels = dict.fromkeys(e.source.label_nl if lang == "nl" else e.source.label for e in one)
    return "; ".join(label for label in labels if label)


def source_line(one: Any, *, lang: str = "en") -> str:
    """The source with its warning."""
    names = ", ".join(dict.fromkeys(e.source.name for e in one))
    label = label_of(one, lang=lang)
    text = f"{names} ({label})" if label else names
    # The line that a data owner prescribes says what it is.
    return f"{text}." if text.startswith("bron: ") else _WORDS[lang]["source"].format(source=text)


def caption(one: Any, *, lang: str = "en") -> str:
    """Title, unit, n, what the bars are, source and its warning."""
    words = _WORDS[lang]
    title = title_of(one, lang=lang).rstrip(".")
    parts = [f"{title}.", words["unit"].format(unit=", ".join(units_of(one, lang=lang)))]
    parts.append(words["n"].format(n=sample(one, lang=lang)))
    levels = {e.level for e in one if e.conf_low == e.conf_low}
    if len(levels) == 1:
        parts.append(words["intervals"].format(level=format_number(100 * levels.pop(), 0, lang=lang)))
    parts.append(source_line(one, lang=lang))
    return " ".join(parts)


def _value(number: Any, lang: str) -> str:
    digits = decimals_of(number)
    value, low, high = (
        format_number(v, digits, lang=lang) for v in (number.estimate, number.conf_low, number.conf_high)
    )
    return _WORDS[lang]["interval"].format(value=value, low=low, high=high) if low and high else value


def alt_text(one: Any, *, lang: str = "en") -> str:
    """What the figure shows, for readers who do not see it: made from the numbers, never typed.

    A trajectory is told by its first and last year in both groups, a specification curve by its ends and its
    primary one; other displays number by number.
    """
    words = _WORDS[lang]
    label = label_of(one, lang=lang)
    start = f"{words[one.display]}: {title_of(one, lang=lang).rstrip('.')}"
    parts = [start + (f" [{label}]" if label else "") + "."]
    units = ", ".join(units_of(one, lang=lang))
    if one.display == "trajectory":
        told = []
        for group in dict.fromkeys(e.group for e in one):
            line = sorted((e for e in one if e.group == group and e.at is not None), key=lambda e: e.at)
            if line:
                told.append(
                    words["from_to"].format(
                        group=group_word(line[0], lang=lang),
                        first=_value(line[0], lang),
                        start=f"{line[0].at:g}",
                        last=_value(line[-1], lang),
                        end=f"{line[-1].at:g}",
                    )
                )
    elif one.display == "specification":
        numbers = sorted(one, key=lambda e: e.estimate)
        low, high = (format_number(e.estimate, decimals_of(e), lang=lang) for e in (numbers[0], numbers[-1]))
        told = [words["curve"].format(n=len(numbers), low=low, high=high)]
        told += [words["lead"].format(value=_value(e, lang)) for e in numbers if e.term.endswith(PRIMARY)]
    else:
        numbers = list(one)
        told = [f"{e.term}: {_value(e, lang)}" for e in numbers[:ALT_TERMS]]
        if len(numbers) > ALT_TERMS:
            told.append(words["more"].format(n=len(numbers) - ALT_TERMS))
    parts.append("; ".join(told) + f" ({units}).")
    margins = dict.fromkeys(e.margin for e in one if e.margin is not None)
    if one.display == "effects":
        parts += [
            words["margin"].format(margin=f"{m:g}" if lang == "en" else f"{m:g}".replace(".", ","))
            for m in margins
        ]
    return " ".join(parts)


def group_word(number: Any, *, lang: str = "en") -> str:
    """The name of a number's group in the language: practices of a programme, or a region."""
    if number.group not in ("programme", "comparison"):
        return number.group
    places = "_places" if number.counts.of == "municipalities" else ""
    return _WORDS[lang][f"{number.group}{places}"]


def figure_html(*, name: str, image: str, alt: str, text: str, table: str) -> str:
    """A ``<figure>`` with its alternative text, caption and a folded data table.

    Parameters
    ----------
    name : str
        Name of the set, for the element's id.
    image : str
        The image as a ``data:`` address, so that nothing is fetched.
    alt, text : str
        Alternative text and caption.
    table : str
        The data table as HTML.
    """
    identity = "figure-" + name.replace(".", "-")
    return (
        f'<figure id="{identity}" class="pluseval-figure">\n'
        f'<img src="{image}" alt="{html.escape(alt, quote=True)}" style="max-width:100%;height:auto">\n'
        f"<figcaption>{html.escape(text)}</figcaption>\n"
        f"<details><summary>Data table</summary>\n{table}</details>\n"
        "</figure>\n"
    )
