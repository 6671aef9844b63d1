"""How a number is printed, in English and in Dutch."""

from __future__ import annotations

import math
from typing import Literal, Protocol

from pluseval.errors import DesignError

Language = Literal["en", "nl"]
LANGUAGES: tuple[Language, ...] = ("en", "nl")
RATIO_DECIMALS = 3

_MARKS = {"en": (",", "."), "nl": (".", ",")}
_TIMES = {"en": "times", "nl": "maal"}
_UNBOUNDED = {"en": "unbounded", "nl": "onbegrensd"}


class _Measure(Protocol):
    unit: str
    unit_nl: str
    difference_unit: str
    difference_unit_nl: str
    decimals: int


class HasUnit(Protocol):
    """Anything that has a scale and a measure: an estimate, or a number read from a bundle."""

    scale: str
    measure: _Measure


def check_language(lang: str) -> Language:
    """The language, if there are words in it.

    Raises
    ------
    DesignError
        If the language is neither English ("en") nor Dutch ("nl").
    """
    if lang not in LANGUAGES:
        raise DesignError(f"no words in language {lang!r}; use 'en' or 'nl'")
    return lang  # type: ignore[return-value]


def format_number(value: float, decimals: int = 2, *, lang: str = "en", signed: bool = False) -> str:
    """A number with the thousands and decimal marks of the language.

    Parameters
    ----------
    value : float
        The number; not-a-number prints as an empty string.
    decimals : int
        Digits behind the decimal mark.
    lang : {"en", "nl"}
        ``1,234.5`` in English, ``1.234,5`` in Dutch.
    signed : bool
        Whether a plus sign is printed.

    Examples
    --------
    >>> format_number(1234.5, 1), format_number(1234.5, 1, lang="nl"), format_number(-0.001, 2)
    ('1,234.5', '1.234,5', '0.00')
    """
    thousands, point = _MARKS[check_language(lang)]
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return _UNBOUNDED[lang]
    # Rounding may leave a negative zero, which reads as a direction that is not there.
    rounded = round(value, decimals) + 0.0
    text = f"{rounded:+,.{decimals}f}" if signed and rounded else f"{rounded:,.{decimals}f}"
    return text.replace(",", "\0").replace(".", point).replace("\0", thousands)


def format_p(p_value: float, *, lang: str = "en") -> str:
    """A p-value to three decimals: ``p = 0.032``, ``p < 0.001``; empty where there is none.

    Examples
    --------
    >>> format_p(0.0321), format_p(0.00004, lang="nl")
    ('p = 0.032', 'p < 0,001')
    """
    if math.isnan(p_value):
        return ""
    if p_value < 0.0005:
        return f"p < {format_number(0.001, 3, lang=lang)}"
    return f"p = {format_number(p_value, 3, lang=lang)}"


def decimals_of(number: HasUnit) -> int:
    """Digits behind the decimal mark with which a number of this measure and scale is printed."""
    return RATIO_DECIMALS if number.scale == "ratio" else int(number.measure.decimals)


def unit_of(number: HasUnit, *, lang: str = "en") -> str:
    """The unit in words: of a level, of a difference, or "times" for a ratio."""
    suffix = "_nl" if check_language(lang) == "nl" else ""
    if number.scale == "ratio":
        return _TIMES[lang]
    field = "unit" if number.scale == "level" else "difference_unit"
    return getattr(number.measure, field + suffix)


def with_unit(value: float, number: HasUnit, *, lang: str = "en", signed: bool = False) -> str:
    """A value in the unit of a result: ``EUR 1,234`` or ``2.40 percentage points``.

    A unit that begins with EUR is written before the amount, as a reader of accounts expects.
    """
    text = format_number(value, decimals_of(number), lang=lang, signed=signed)
    unit = unit_of(number, lang=lang)
    if not math.isfinite(value) or not unit:
        return text
    if unit == "EUR" or unit.startswith("EUR "):
        return f"EUR {text}{unit[3:]}"
    return f"{text} {unit}"
