"""What a page of the book shows: pieces of the released results, each bound to the run that made them."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pluseval.errors import NotFoundError
from pluseval.report.numbers import format_number
from pluseval.report.phrases import PHRASES
from pluseval.report.read import Results, longest
from pluseval.report.readback import Html

RESULTS_VARIABLE = "PLUSEVAL_RESULTS"
SCOREBOARD_HEADS = {
    "en": ("question", "verdict", "change, compared with the other practices; surveys: since the first wave"),
    "nl": ("vraag", "oordeel", "verandering, vergeleken met de andere praktijken; enquêtes: sinds de eerste"),
}
SCOREBOARD_CAPTION = {"en": "The answer at a glance", "nl": "Het antwoord in één oogopslag"}
VERDICT_WORDS = {lang: PHRASES[lang]["verdicts"] for lang in PHRASES}


def open_book() -> Page:
    """The results that the build of the book hands to its pages.

    Raises
    ------
    NotFoundError
        Outside a build, where no results are named.
    """
    given = os.environ.get(RESULTS_VARIABLE)
    if not given:
        raise NotFoundError(
            f"no results are named in {RESULTS_VARIABLE}: build the book with `pluseval book`, or open a run "
            "with Results.open"
        )
    return Page([Results.open(Path(folder)) for folder in given.split(os.pathsep)])


class Page:
    """Released results of any number of bundles, in the pieces that pages are made of.

    Parameters
    ----------
    bundles : sequence of Results
        The bundles; what none of them covers reads "not testable on these data".
    """

    def __init__(self, bundles: Sequence[Results]) -> None:
        self.bundles = tuple(bundles)
        self.results = Results.combine(*bundles)

    # -- what the page stands on -------------------------------------------------------------------------

    def banner(self, *prefixes: str, lang: str = "en") -> Html:
        """The warning that synthetic data carry, for the sets whose names start with ``prefixes``."""
        shown = [s for s in self.results if not prefixes or s.name.startswith(prefixes)]
        field = "label_nl" if lang == "nl" else "label"
        labels = longest(number.source[field] for one in shown for number in one)
        return Html("".join(note(label).content for label in labels))

    def provenance(self) -> Html:
        """Which runs the book shows: data, plan, code and versions by their hashes."""
        rows = []
        for bundle in self.bundles:
            m = bundle.manifest
            inputs = ", ".join(f"{name} {value[:12]}" for name, value in m["inputs"].items())
            code = f"{len(m['code'])} modules"
            python = m["environment"]["python"]
            rows.append([m["study"], m["kind"], m["run"], inputs, m["plan"][:12], f"{code}; Python {python}"])
        head = ["data", "kind", "run", "hash of content", "hash of plan", "code and versions"]
        return table(head, rows, caption="The runs that this book shows")

    def suppressed(self) -> Html:
        """What the gate held back, and by which rule; never the value."""
        rows = [[s.name, s.term, s.rule] for s in self.results.suppressed]
        if not rows:
            return Html("<p>Nothing was held back.</p>")
        return table(["result", "term", "rule"], rows, caption="Held back by the disclosure rules")

    # -- answers -----------------------------------------------------------------------------------------

    def answer(self, *, lang: str = "en") -> Html:
        """The front page's answer, sentence by sentence."""
        return self.results.answer(lang)

    def scoreboard(self, *keys: str, lang: str = "en") -> Html:
        """One line per question: the verdict in a word or two, and the number with its interval."""
        rows = []
        for key in keys:
            found = self.results.verdict(key)
            name = PHRASES[lang]["questions"].get(key, key)
            name = name[:1].upper() + name[1:]
            number = self.results.show(found.set_name, found.term, lang=lang) if found.set_name else Html("")
            word = html.escape(VERDICT_WORDS[lang][found.key])
            rows.append(
                f'<tr><th scope="row">{html.escape(name)}</th>'
                f'<td><span class="pluseval-verdict" data-verdict="{found.key}">{word}</span></td>'
                f"<td>{number.content}</td></tr>"
            )
        head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in SCOREBOARD_HEADS[lang])
        return Html(
            f'<table class="pluseval-table pluseval-scoreboard" lang="{lang}"><caption>'
            f"{html.escape(SCOREBOARD_CAPTION[lang])}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )

    def sentences(self, *keys: str, lang: str = "en", named: bool = False) -> Html:
        """The sentences of some verdicts, each after the name of its question where ``named``."""
        lines = [self.results.verdict(key).sentence(lang) for key in keys]
        if named:
            names = [PHRASES[lang]["questions"].get(key, key) for key in keys]
            lines = [f"{n[:1].upper()}{n[1:]}: {line}" for n, line in zip(names, lines, strict=True)]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        return Html(f'<ul class="pluseval-answer" lang="{lang}">{items}</ul>')

    def how_sure(self, *keys: str, lang: str = "en") -> Html:
        """How sure the numbers behind some verdicts are."""
        lines = [self.results.verdict(key).how_sure(lang) for key in keys]
        return Html("".join(f"<p>{html.escape(line)}</p>" for line in lines if line))

    # -- numbers, tables, figures ------------------------------------------------------------------------

    def number(self, name: str, term: str | None = None, *, lang: str = "en") -> Html:
        """One released number with its unit and interval."""
        return self.results.show(name, term, lang=lang)

    def figure(self, name: str, *, lang: str = "en") -> Html:
        """One figure, with alt text and caption."""
        return self.results.figure(name, lang=lang)

    def table(self, name: str, *, lang: str = "en") -> Html:
        """One table."""
        return self.results.table(name, lang=lang)

    def folded(self, title: str, *pieces: Html) -> Html:
        """Pieces under a line that the reader unfolds."""
        inside = "".join(piece.content for piece in pieces)
        return Html(f"<details><summary>{html.escape(title)}</summary>{inside}</details>")

    def estimand(self, name: str, term: str | None = None) -> Html:
        """The estimand sheet of a result."""
        if name not in self.results:
            return self.results.show(name)
        one = self.results[name]
        found = one.estimates[0] if term is None else one[term]
        sheet = found.estimand
        rows = [
            ["population", sheet.population],
            ["unit", sheet.unit],
            ["weight", sheet.weight],
            ["contrast", sheet.contrast],
            ["scale", sheet.scale],
            ["who counts as treated", sheet.treated_as],
            ["assumption", sheet.assumption],
            ["inference", found.inference],
            *[["left out", f"{loss.count} {loss.reason}"] for loss in found.losses],
            *[["note", note] for note in found.notes],
        ]
        return table(["", found.measure.label], rows, caption=f"Estimand of {found.measure.label}")

    def procedures_disagree(self, *names: str, lang: str = "en") -> Html:
        """A sentence for each set in which some procedures find an effect and others do not; else nothing."""
        alpha = self.plan["alpha"]
        told = []
        for one in (self.results[name] for name in names if name in self.results):
            tested = [number for number in one if number.p_value == number.p_value]
            found = [number for number in tested if number.p_value <= alpha]
            if found and len(found) < len(tested):
                label = tested[0].measure.label_nl if lang == "nl" else tested[0].measure.label
                told.append(
                    PHRASES[lang]["procedures_disagree"].format(
                        label=label[:1].upper() + label[1:],
                        found=len(found),
                        tested=len(tested),
                        low=format_number(min(n.p_value for n in tested), 3, lang=lang),
                        high=format_number(max(n.p_value for n in tested), 3, lang=lang),
                    )
                )
        return Html("".join(f'<p class="pluseval-disagree" lang="{lang}">{html.escape(t)}</p>' for t in told))

    def joint_tests(self, name: str) -> Html:
        """The joint tests of a set (pre-trends, any adjacent year)."""
        if name not in self.results:
            return self.results.show(name)
        rows = [
            [j.name, format_number(j.statistic, 2), format_number(j.p_value, 3), j.inference]
            for j in self.results[name].joint
        ]
        return table(["test", "statistic", "p", "procedure"], rows, caption="Joint tests")

    # -- the plan ----------------------------------------------------------------------------------------

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of the first bundle."""
        return self.bundles[0].facts["plan"] if self.bundles else {}

    def design(self, *keys: str) -> Html:
        """What the plan fixed for some outcomes."""
        outcomes = [o for o in self.plan.get("outcomes", []) if o["key"] in keys]
        w = self.plan["windows"]
        standard = f"{_years(w['before'])} v {_years(w['after'])}"
        rows = []
        for o in outcomes:
            when = standard
            if o["periods"]:
                when = " v ".join(map(str, o["periods"]))
            elif o["windows"]:
                when = " v ".join(map(_years, o["windows"]))
            inference = o["inference"]
            choices = ", ".join(f"{k} {v}" for k, v in inference.items() if k != "procedure")
            rows.append(
                [
                    o["key"],
                    {"did": "difference in differences", "single_arm": "change within PlusPraktijken"}[
                        o["design"]
                    ],
                    when,
                    o["hypothesis"].replace("noninferiority", "non-inferiority"),
                    "" if o["margin"] is None else format_number(o["margin"], 2),
                    inference["procedure"].replace("_", " ") + (f" ({choices})" if choices else ""),
                ]
            )
        head = ["outcome", "design", "periods", "hypothesis", "margin", "inference"]
        return table(head, rows, caption=f"The plan: {self.plan['statement']}")

    def rivals(self, first: int = 0, last: int = 9999) -> Html:
        """The co-interventions of the same region and years: rival explanations."""
        rows = [
            [c["name"], _years(c["years"]), c["concerns"]]
            for c in self.plan["co_interventions"]
            if c["years"][0] <= last and c["years"][1] >= first
        ]
        return table(["what else happened", "years", "concerns"], rows, caption="Rival explanations")

    def comparators(self) -> Html:
        """Which comparators the plan calls eligible in which years."""
        rows = [[c["programme"], _years(c["years"]), c["rule"]] for c in self.plan["comparators"]]
        return table(["programme", "years", "comparison practices"], rows, caption="Eligible comparators")

    def skipped(self) -> Html:
        """Planned sensitivity analyses that the data cannot carry, with the reason."""
        rows = [list(pair) for bundle in self.bundles for pair in bundle.facts.get("skipped", [])]
        if not rows:
            return Html("<p>Every planned sensitivity analysis was done.</p>")
        return table(
            ["planned analysis", "why it was not possible"], rows, caption="Not possible on these data"
        )

    def data_report(self) -> Html:
        """What the data contract dropped or waived, as counts with reasons."""
        rows = [
            [f["table"], f["column"], f["rule"], f["severity"], f["count"], f["reason"]]
            for bundle in self.bundles
            for f in bundle.facts.get("data", {}).get("report", [])
        ]
        if not rows:
            return Html("<p>No row was dropped and no rule was waived.</p>")
        head = ["table", "column", "rule", "severity", "rows", "reason"]
        return table(head, rows, caption="Rows dropped, and rules waived with their reason")

    def fact(self, name: str) -> Any:
        """A further fact of the analyses, None where no bundle has it."""
        for bundle in self.bundles:
            if name in bundle.facts.get("facts", {}):
                return bundle.facts["facts"][name]
        return None


def note(text: str) -> Html:
    """A warning that stands out, for what synthetic data carry."""
    return Html(f'<p class="pluseval-banner" role="note">{html.escape(text)}</p>' if text else "")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str) -> Html:
    """A small table of words, with a caption and header cells that say their scope."""
    cells = "".join(f'<th scope="col">{html.escape(str(h))}</th>' for h in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    return Html(
        f'<table class="pluseval-table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    )


def _years(pair: Sequence[int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"
