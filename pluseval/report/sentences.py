"""The sentences of a verdict, in English and Dutch: what was found, what is ruled out, and how sure it is."""

from __future__ import annotations

import math
from typing import Any

from pluseval.report.numbers import check_language, decimals_of, format_number, format_p, with_unit
from pluseval.report.phrases import PHRASES
from pluseval.report.verdict import Verdict, beyond_margin, p_at_loss, small_loss


def _label(number: Any, lang: str) -> str:
    label = number.measure.label_nl if lang == "nl" else number.measure.label
    return label[:1].upper() + label[1:]


def _compared_with(number: Any, lang: str) -> str:
    """What a difference is a difference with: the other practices' change, or the own start."""
    words = PHRASES[lang]
    if number.counts.of == "municipalities":
        return words["than_places"]
    if number.counts.practices("comparison"):
        return words["than_others"]
    if number.counts.practices("programme"):
        return words["than_start"].format(first=number.counts.cells[0].period)
    return words["than_reference"]


def told_value(number: Any, lang: str) -> str:
    return with_unit(number.estimate, number, lang=lang, signed=number.scale == "difference")


def told_interval(found: Verdict, number: Any, lang: str) -> str:
    words, digits = PHRASES[lang], decimals_of(number)
    if math.isnan(found.conf_low):
        return ""
    low, high = (format_number(v, digits, lang=lang) for v in (found.conf_low, found.conf_high))
    level = number.level if number.scale == "level" else 1 - found.alpha
    text = words["interval"].format(level=format_number(100 * level, 0, lang=lang), low=low, high=high)
    p = format_p(number.p_value, lang=lang)
    return f" ({text}; {p})" if p else f" ({text})"


def _ruled_out(found: Verdict, number: Any, lang: str) -> str:
    """What the interval excludes: the sentence that a bare "not significant" leaves out."""
    words, null = PHRASES[lang], number.null
    if math.isnan(found.conf_low):
        return ""
    ratio = number.scale == "ratio"

    def size(bound: float) -> str:
        if ratio:
            return f"{format_number(100 * abs(bound - 1), 1, lang=lang)} %"
        return with_unit(abs(bound - null), number, lang=lang)

    fall, rise = math.isfinite(found.conf_low), math.isfinite(found.conf_high)
    parts = []
    if fall:
        parts.append(
            words["any_fall"] if found.conf_low >= null else words["fall"].format(size=size(found.conf_low))
        )
    if rise:
        parts.append(
            words["any_rise"] if found.conf_high <= null else words["rise"].format(size=size(found.conf_high))
        )
    if not parts:
        return words["rules_out_nothing"]
    return words["rules_out"].format(what=words["and"].join(parts))


def sentence(found: Verdict, number: Any, lang: str) -> str:
    words, lang = PHRASES[lang], check_language(lang)
    fields = dict(
        label=_label(number, lang),
        value=told_value(number, lang),
        interval=told_interval(found, number, lang),
        than=_compared_with(number, lang),
        margin="",
    )
    if found.key == "equivalent":
        fields["inside"] = words["interval"].format(
            level=format_number(100 * (1 - 2 * found.alpha), 0, lang=lang),
            low=format_number(found.equivalence_low, decimals_of(number), lang=lang),
            high=format_number(found.equivalence_high, decimals_of(number), lang=lang),
        )
    if found.margin is not None:
        fields["margin"] = (
            f"{format_number(100 * found.margin, 1, lang=lang)} %"
            if number.scale == "ratio"
            else with_unit(found.margin, number, lang=lang)
        )
    key = "worse_beyond" if found.key == "worse" and beyond_margin(found, number) else found.key
    text = words[key].format(**fields)
    if found.key not in ("described", "not_testable"):
        text += " " + _ruled_out(found, number, lang)
        if number.estimate < found.conf_low or number.estimate > found.conf_high:
            text += " " + words["outside"]
    if found.key in ("not_worse", "equivalent") and small_loss(found, number):
        text += " " + words["small_loss"]
    if number.counts.of == "municipalities" and number.scale != "level":
        text += " " + words["region_caveat"]
    return text.strip()


def how_sure(found: Verdict, number: Any, lang: str) -> str:
    words = PHRASES[lang]
    parts = []
    programme, comparison = number.counts.practices("programme"), number.counts.practices("comparison")
    if number.counts.of == "municipalities":
        parts.append(words["rests_on_places"].format(programme=programme, comparison=comparison))
    elif programme and comparison:
        parts.append(words["rests_on_two"].format(programme=programme, comparison=comparison))
    elif programme:
        parts.append(words["rests_on_one"].format(programme=programme))
    else:
        parts.append(words["rests_on_units"].format(units=format_number(number.n_clusters, 0, lang=lang)))
    at_loss = p_at_loss(found, number)
    if at_loss is not None:
        times = format_number(1000 * at_loss, 0, lang=lang)
        parts.append(words["if_loss_rare"] if at_loss < 0.0005 else words["if_loss"].format(times=times))
    elif number.scale != "level" and not math.isnan(number.p_value):
        if number.p_value < 0.0005:
            parts.append(words["chance_rare"])
        elif number.p_value < 0.01:
            times = format_number(1000 * number.p_value, 0, lang=lang)
            parts.append(words["chance_1000"].format(times=times))
        else:
            times = format_number(100 * number.p_value, 0, lang=lang)
            parts.append(words["chance_100"].format(times=times))
    parts.append(words["procedure"].format(inference=number.inference))
    return " ".join(parts)
