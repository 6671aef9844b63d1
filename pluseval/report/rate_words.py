"""What the measured error rates say, in sentences that are bound to the table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from pluseval.report.error_rates import UNITS, ErrorRates, Row, bounds_for, bounds_of
from pluseval.report.numbers import format_number
from pluseval.report.readback import Html

_STRATA = {"list_size": "practices of similar size"}
_TOLD = 2  # kinds of outcome that the summary tells; the table has all


def summary(rates: ErrorRates) -> Html:
    """What is used, how often it errs, what it would find, in plain words; then its limits."""
    treated = rates.designs[0][0]
    said = [f"To judge a difference, the evaluation {_plainly(rates)}."]
    constant = rates.measured(rates.chosen, "size", treated=treated, constant=True)
    if constant:
        wrong = _of_hundred(constant, "size")
        said.append(
            f"In made-up studies with {treated} programme practices and a programme that does nothing, this "
            f"still reports a difference in {wrong} of every hundred, whatever kind of study was tried; the "
            f"promise is {100 * rates.alpha:.0f}."
        )
    seen = [
        f"{_amount(unit, smaller)} in {_of_hundred(found, 'power', 0)} of a hundred studies"
        for unit, smaller, _, found in _effects(rates, treated)[:_TOLD]
    ]
    if seen:
        said.append(
            f"It finds a true difference of {_listed(seen)}. So a difference that was not found can still be "
            "there: the interval says how large it may be."
        )
    paragraphs = [" ".join(said), " ".join([*_limits(rates), *_single_arm(rates)])]
    return Html(
        "".join(f'<p class="pluseval-summary">{html.escape(told)}</p>' for told in paragraphs if told)
    )


def _limits(rates: ErrorRates) -> list[str]:
    """Where the primary errs more often, and how it does in the other designs."""
    said = []
    for treated, _ in rates.designs[1:]:
        found = rates.measured(rates.chosen, "size", treated=treated, constant=True)
        if found:
            said.append(
                f"With {treated} programme practices it errs in {_of_hundred(found, 'size')} of a hundred."
            )
    varying = [
        f"{_share(max(r['size'] for r in found))} (with {treated} practices)"
        for treated, _ in rates.designs
        if (found := rates.measured(rates.chosen, "size", treated=treated, constant=False))
    ]
    if varying:
        said.append(
            "Where the programme helps some practices and harms others by as much, it errs more often, in "
            f"up to {_listed(varying)} of a hundred."
        )
    return said


def hardest(rates: ErrorRates, *, treated: int) -> Html:
    """The kind of study in which even the best candidate errs most, and by how much."""
    candidates = rates.candidates(treated)
    sizes = {
        cell: [r["size"] for p in candidates if (r := rates.row(cell, p)) is not None]
        for cell in rates.cells(treated)
    }
    sizes = {cell: found for cell, found in sizes.items() if found}
    if not sizes:
        return Html("")
    cell = max(sizes, key=lambda c: min(sizes[c]))
    told = (
        f"Hardest for all of them: {rates.kind(cell)}. There the candidates err in "
        f"{_share(min(sizes[cell]))} to {_share(max(sizes[cell]))} of a hundred studies. The size is shown, "
        "and no kind of study was left out."
    )
    return Html(f"<p>{html.escape(told)}</p>")


def rule(rates: ErrorRates) -> Html:
    """The bounds that the primary must keep, in words."""
    told = []
    for treated, _ in rates.designs:
        low, high, varying = (f"{100 * bound:g}" for bound in bounds_for(treated))
        told.append(
            f"with {treated} programme practices {low} to {high} % where effects are constant and at most "
            f"{varying} % where they vary"
        )
    text = (
        "The plan's primary procedure is read from these tables: of the candidates whose size keeps the "
        "bounds in every kind of study, the one with the highest mean power. The bounds, fixed before the "
        f"table was made: {'; '.join(told)}. If none kept them, it would be the one that misses by least."
    )
    return Html("".join(f"<p>{html.escape(line)}</p>" for line in (text, _how_firm(rates))))


def _how_firm(rates: ErrorRates) -> str:
    """Which candidates the rule sets aside, or lets in, by no more than chance in the simulation."""
    said = ["The rule takes sizes as they were measured, without an allowance for their Monte Carlo error."]
    known = {one["procedure"]: one for one in rates.manifest.get("candidates", [])}
    near = [
        f"{rates.name(name)} (mean power {_share(one['mean_power'])} %)"
        for name, one in known.items()
        if one["fails"] and all(_is_near(rates.row(cell, name)) for cell in one["fails"])
    ]
    if near:
        said.append(
            f"By less than twice that error it sets aside {_listed(near)}: another seed could have let "
            f"{'it' if len(near) == 1 else 'them'} in, and the highest mean power among those let in decides."
        )
    own = [r for r in rates.rows if r["procedure"] == rates.chosen and r.get("size") is not None]
    close = [r for r in own if _is_near(r)]
    if own:
        kinds = [f"{rates.kind(r['cell'])} with {r['treated']:.0f} practices" for r in close]
        said.append(
            "The primary is further from its bounds than that"
            + (f", but for: {_listed(kinds)}." if kinds else " in every kind of study.")
        )
    return " ".join(said)


def _is_near(row: Row | None) -> bool:
    """Whether a size lies within two Monte Carlo errors of a bound on it."""
    if row is None or row.get("size_mcse") is None:
        return False
    return any(abs(row["size"] - bound) < 2 * row["size_mcse"] for bound in bounds_of(row) if bound > 0)


def alternatives(rates: ErrorRates) -> Html:
    """What every other main procedure would gain in power, and what it would cost in false positives."""
    treated = rates.designs[0][0]
    own = _mean_power(rates, rates.chosen, treated)
    if own is None:
        return Html("")
    worst = _worst(rates.measured(rates.chosen, "size", treated=treated, constant=True))
    lines = [
        f"{rates.name(rates.chosen)}, the primary: finds the smaller effects in {_share(own)} of a hundred "
        f"studies on average{_opposite(rates, rates.chosen, treated)}; {_share(worst['size'])} false "
        f"positives of a hundred at worst ({rates.kind(worst['cell'])})."
    ]
    for procedure in rates.main():
        power = _mean_power(rates, procedure, treated)
        if procedure == rates.chosen or power is None:
            continue
        worst = _worst(rates.measured(procedure, "size", treated=treated, constant=True))
        rows = [r for t, _ in rates.designs for r in rates.measured(procedure, "size", treated=t)]
        missed = sum(not rates.keeps(r) for r in rows)
        more = power - own
        told = (
            f"{rates.name(procedure)}: {_share(power)} of a hundred, {_share(abs(more))} "
            f"{'more' if more >= 0 else 'fewer'}{_opposite(rates, procedure, treated)}; "
            f"{_share(worst['size'])} false positives at worst "
            f"({rates.kind(worst['cell'])}); outside the bounds in {missed} of {len(rows)} kinds of study"
        )
        plain = rates.row(rates.cells(treated)[0], procedure)
        if not rates.keeps(worst) and plain is not None and worst["power"] > (plain.get("power") or 1.0):
            told += (
                f". Where it errs most it also finds more ({_share(worst['power'])} against "
                f"{_share(plain['power'])} in the plain kind): part of its power there is error"
            )
        lines.append(f"{told}.")
    items = "".join(f"<li>{html.escape(one)}</li>" for one in lines)
    return Html(f"<ul>{items}</ul>")


def sizes(rates: ErrorRates, procedures: Sequence[str]) -> Html:
    """The range of sizes of some procedures over the kinds of study, of those that were tried."""
    body = []
    for procedure in procedures:
        found = [rates.measured(procedure, "size", treated=treated) for treated, _ in rates.designs]
        if any(found):
            own = " (primary)" if procedure == rates.chosen else ""
            cells = "".join(
                f"<td>{_of_hundred(rows, 'size')} ({len(rows)})</td>" if rows else "<td></td>"
                for rows in found
            )
            body.append(f'<tr><th scope="row">{html.escape(rates.name(procedure) + own)}</th>{cells}</tr>')
    if not body:
        return Html("")
    head = "".join(f'<th scope="col">{treated} + {other} practices</th>' for treated, other in rates.designs)
    return Html(
        '<table class="pluseval-table pluseval-rates"><caption>Size in percent at a nominal '
        f"{100 * rates.alpha:.0f} %: smallest to largest (number of kinds of study). Synthetic: planted "
        f'studies</caption><thead><tr><th scope="col">procedure</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def effects_found(rates: ErrorRates) -> Html:
    """A table: each named effect, and in how many of a hundred studies the primary finds it."""
    head = "".join(f'<th scope="col">{treated} + {other} practices</th>' for treated, other in rates.designs)
    by_design = [_effects(rates, treated) for treated, _ in rates.designs]
    body = []
    for unit, smaller, larger, _ in by_design[0] if by_design else []:
        for what, effect in (("power", smaller), ("larger_power", larger)):
            cells = []
            for found in by_design:
                rows = next((rows for u, *_, rows in found if u == unit), ())
                cells.append(f"<td>{_of_hundred(rows, what, 0)}</td>")
            if effect is not None:
                name = html.escape(_amount(unit, effect))
                body.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
    caption = (
        f"True effects, and in how many of a hundred studies {rates.name(rates.chosen)} finds them (from "
        "the kind of study in which it is hardest to that in which it is easiest, constant effects)"
    )
    return Html(
        f'<table class="pluseval-table pluseval-rates"><caption>{html.escape(caption)}</caption><thead><tr>'
        f'<th scope="col">true effect</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def effect_names(rates: ErrorRates, what: str = "effect") -> str:
    """The effects at which power was measured, for a caption."""
    named = {r["unit"]: r[what] for r in rates.rows if r.get("unit") and r.get(what) is not None}
    return "; ".join(_amount(unit, effect) for unit, effect in named.items())


def _effects(rates: ErrorRates, treated: int) -> list[tuple[str, float, float | None, tuple[Row, ...]]]:
    """Unit, smaller and larger effect, and the primary's rows with it, where effects are constant."""
    rows = rates.measured(rates.chosen, "power", treated=treated, constant=True)
    units = dict.fromkeys(r["unit"] for r in rows if r.get("unit") and r.get("effect") is not None)
    made = []
    for unit in units:
        found = tuple(r for r in rows if r.get("unit") == unit)
        made.append((unit, found[0]["effect"], found[0].get("larger_effect"), found))
    return made


def _plainly(rates: ErrorRates) -> str:
    """The primary in words that need no statistics, from its entry in the plan."""
    plan = rates.manifest.get("procedures", {}).get(rates.chosen, {}).get("plan") or {}
    inference = plan.get("inference", {})
    if inference.get("procedure") != "permutation":
        return f"uses one procedure, fixed beforehand: {rates.name(rates.chosen)}"
    among = _STRATA.get(inference.get("strata", ""), "practices")
    return (
        f"deals out 'took part' anew, thousands of times, among {among}, and counts how often chance alone "
        f"gives a difference as large ({rates.name(rates.chosen)})"
    )


def _mean_power(rates: ErrorRates, procedure: str, treated: int) -> float | None:
    rows = rates.measured(procedure, "power", treated=treated, constant=True)
    return sum(r["power"] for r in rows) / len(rows) if rows else None


def _opposite(rates: ErrorRates, procedure: str, treated: int) -> str:
    """Mean power against effects of the other sign, where the table has it."""
    rows = rates.measured(procedure, "opposite_power", treated=treated, constant=True)
    if not rows:
        return ""
    return f" ({_share(sum(r['opposite_power'] for r in rows) / len(rows))} where they have the other sign)"


def _single_arm(rates: ErrorRates) -> list[str]:
    """The sentence on what was measured in programme practices alone, tested by sign flips."""
    plans = {name: (p.get("plan") or {}) for name, p in rates.manifest.get("procedures", {}).items()}
    flips = [n for n, plan in plans.items() if plan.get("inference", {}).get("procedure") == "sign_flip"]
    said = []
    for name in flips[:1]:
        parts = []
        for treated, _ in rates.designs:
            found = rates.measured(name, "size", treated=treated, constant=True)
            if found:
                parts.append(f"{_of_hundred(found, 'size')} of a hundred with {treated} practices")
            elif any(r["procedure"] == name and r["treated"] == treated for r in rates.rows):
                parts.append(f"no answer with {treated}, which are too few for it")
        if parts:
            said.append(
                "What only the programme practices measured is judged by flipping the signs of their "
                f"changes: wrong in {_listed(parts)}."
            )
    return said


def _worst(rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda r: r["size"])


def _of_hundred(rows: Iterable[Row], what: str, decimals: int = 1) -> str:
    """A range of shares as numbers of a hundred: "4.8 to 5.5"."""
    found = [r[what] for r in rows if r.get(what) is not None]
    if not found:
        return ""
    low, high = _share(min(found), decimals), _share(max(found), decimals)
    return low if low == high else f"{low} to {high}"


def _share(value: float, decimals: int = 1) -> str:
    return format_number(100 * value, decimals)


def _amount(unit: str, effect: float) -> str:
    return f"{abs(effect):g} {UNITS.get(unit, unit)}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
