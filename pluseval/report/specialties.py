"""Effects by specialty on a page: each by itself and as one of many."""

from __future__ import annotations

import html

from pluseval.report.numbers import decimals_of, format_number, unit_of
from pluseval.report.page import Page, table
from pluseval.report.readback import Html

NAME = "referrals.specialty.effects"


def specialty_effects(page: Page) -> Html:
    """The effect of every specialty, its p-value by itself and as one of many, after a sentence on them."""
    one = page.results.sets.get(NAME)
    if one is None:
        return page.number(NAME)
    alpha = page.plan["alpha"]
    adjusted = {j.name: j.p_value for j in one.joint}
    methods = list(dict.fromkeys(name.rpartition(", ")[2] for name in adjusted))
    own = sum(e.p_value <= alpha for e in one)
    text = (
        f"{own or 'None'} of the {len(one)} specialties would by {'itself' if own == 1 else 'themselves'} "
        f"pass as different (p of {alpha:g} or less)"
    )
    if methods and own:
        left = [(sum(adjusted[f"{e.term}, {m}"] <= alpha for e in one), m) for m in methods]
        told = " and ".join(f"{count or 'none'} by {m}" for count, m in left)
        text += f"; among so many some do by chance, and judged together {told} remain"
    rows = []
    for e in one:
        more = [format_number(adjusted[f"{e.term}, {m}"], 3) for m in methods]
        value, low, high = (format_number(v, decimals_of(e)) for v in (e.estimate, e.conf_low, e.conf_high))
        rows.append([e.term, value, f"{low} to {high}", format_number(e.p_value, 3), *more])
    first = one.estimates[0]
    interval = f"{format_number(100 * first.level, 0)}% interval"
    head = ["specialty", "effect", interval, "p by itself", *[f"p, {m}" for m in methods]]
    caption = f"{one.title}, in {unit_of(first)}; the most frequent first"
    folded = page.folded("Effects by specialty", page.figure(NAME), table(head, rows, caption=caption))
    return Html(f"<p>{html.escape(text)}.</p>{folded.content}")
