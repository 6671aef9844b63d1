"""The published claims beside the re-run numbers, with a status word that is decided, never typed."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pluseval.errors import DesignError
from pluseval.report.claim import Claim, claims
from pluseval.report.claim_rules import (
    AGREES,
    BY_CONSTRUCTION,
    CONTRADICT,
    DIFFERS,
    EXPECTATION,
    NOT_TESTABLE,
    RULES,
    STATUSES,
    contradiction,
)
from pluseval.report.read import longest
from pluseval.report.readback import Html
from pluseval.report.readings import anchor
from pluseval.report.ruled_out import ruled_out

CHECK = "a check of the pipeline, no evidence"
READINGS = ".published_procedures"
HEADS = ("Restated", "Published", "Re-run here", "Status", "Reading and note")
SYNTHETIC = (
    "The data are synthetic: the sentences show what such intervals would rule out, and say nothing about "
    "PlusPraktijken."
)


@dataclass(frozen=True)
class ClaimStatus:
    """A claim beside its re-run number (``rerun``, in words), one of ``STATUSES``, and why (``note``).

    ``ruled_out`` says what the intervals behind a claim of "no change" exclude, a sentence for each;
    ``readings`` is the set that holds every reading of it; ``source_label`` is the warning that synthetic
    data carry.
    """

    claim: Claim
    status: str
    rerun: str = ""
    note: str = ""
    ruled_out: tuple[str, ...] = ()
    readings: str = ""
    source_label: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise DesignError(f"{self.claim.id}: no status {self.status!r}; one of {', '.join(STATUSES)}")


@dataclass(frozen=True)
class Ledger:
    """All claims with their status; notebooks show it as a table."""

    entries: tuple[ClaimStatus, ...] = field(default_factory=tuple)

    def __iter__(self) -> Iterator[ClaimStatus]:
        return iter(self.entries)

    def __getitem__(self, identity: str) -> ClaimStatus:
        for entry in self.entries:
            if entry.claim.id == identity:
                return entry
        raise KeyError(identity)

    def _repr_html_(self) -> str:
        return self.banner().content + self.table().content

    def banner(self) -> Html:
        """The warning that synthetic data carry, once."""
        labels = longest(e.source_label for e in self.entries)
        return Html("".join(f'<p class="pluseval-banner" role="note">{html.escape(t)}</p>' for t in labels))

    def table(self) -> Html:
        """One row per claim, for a page that carries the warning itself."""
        rows = "\n".join(map(_row, self.entries))
        head = "".join(f'<th scope="col">{h}</th>' for h in ("Claim", *HEADS))
        return Html(
            '<table class="pluseval-claims"><caption>The published claims and what a re-run gives</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n"
        )

    def ruled_out(self) -> Html:
        """For every claim of "no change", and of a description: what the numbers leave possible."""
        told = [e for e in self.entries if e.ruled_out]
        if not told:
            return Html("<p>Not testable on these data.</p>")
        parts = []
        if any(e.source_label for e in told):
            parts.append(f"<p>{html.escape(SYNTHETIC)}</p>")
        parts.append('<dl class="pluseval-ruled-out">')
        for e in told:
            parts.append(
                f'<dt id="ruled-out-{e.claim.id}">{e.claim.id}. {html.escape(e.claim.text)} '
                f'<span class="pluseval-verdict">{html.escape(e.status)}</span></dt>'
            )
            parts += [f"<dd>{html.escape(line)}</dd>" for line in e.ruled_out]
        return Html("\n".join([*parts, "</dl>"]) + "\n")


def _row(e: ClaimStatus) -> str:
    note = "; ".join(t.rstrip(".") for t in (e.claim.reading, e.note) if t)
    rerun = html.escape(e.rerun)
    if e.ruled_out:
        rerun += f' <a href="#ruled-out-{e.claim.id}">What is ruled out</a>'
    if e.readings:
        rerun += f' <a href="#{anchor(e.readings)}">Every reading</a>'
    texts = [f"{e.claim.text} ({e.claim.source})", e.claim.published]
    cells = [*map(html.escape, texts), rerun, html.escape(e.status), html.escape(note)]
    body = "".join(f'<td data-head="{h}">{c}</td>' for h, c in zip(HEADS, cells, strict=True))
    return f'<tr id="claim-{e.claim.id}"><th scope="row">{e.claim.id}</th>{body}</tr>'


def ledger(results: Any) -> Ledger:
    """Every claim with its status on these results.

    Parameters
    ----------
    results : Released or Results
        Anything that says ``name in results`` and ``results[name]``; real, public or synthetic.
    """
    return Ledger(tuple(status(claim, results) for claim in claims()))


def claims_table(results: Any) -> Html:
    """The ledger as a table alone, for a page that carries the warning of synthetic data itself."""
    return ledger(results).table()


def ruled_out_by_claim(results: Any) -> Html:
    """What is ruled out, claim by claim."""
    return ledger(results).ruled_out()


def lung_arithmetic() -> Html:
    """Why the two halves of C11 cannot both hold, as a sentence with its numbers."""
    (claim,) = (c for c in claims() if c.id == "C11")
    return Html(f"<p>{html.escape(claim.text)} {html.escape(contradiction(claim))}.</p>")


def status(claim: Claim, results: Any) -> ClaimStatus:
    """The status of one claim on these results.

    Synthetic data are no evidence about PlusPraktijken: a claim they were drawn to show reads *by
    construction* if the re-run meets it (and *differs* if it does not, a fault of the pipeline); every other
    claim reads *not testable on these data*. Real and public data read by the claim's rule.
    """
    if claim.rule == "contradiction":
        return ClaimStatus(claim, CONTRADICT, note=contradiction(claim))
    found = tuple(results[claim.set]) if claim.set and claim.set in results else ()
    if not found:
        word = EXPECTATION if claim.rule == "expected_saving" else NOT_TESTABLE
        return ClaimStatus(claim, word)
    others = {name: tuple(results[name]) for name in claim.also if name in results}
    outcome = RULES[claim.rule](claim, found, others)
    source = found[0].source
    word, note = outcome.status, outcome.note
    if source.kind in ("planted", "conditioned"):
        if source.kind == "conditioned" and claim.constructed:
            word = BY_CONSTRUCTION if word == AGREES else DIFFERS
            note = "; ".join(t for t in (CHECK, note) if t)
        else:
            word = EXPECTATION if claim.rule == "expected_saving" else NOT_TESTABLE
            note = "synthetic data say nothing about this claim"
    return ClaimStatus(
        claim,
        word,
        rerun=outcome.rerun,
        note=note,
        ruled_out=ruled_out(claim, outcome.described, results),
        readings=next((n for n in claim.also if n.endswith(READINGS) and n in results), ""),
        source_label=source.label,
    )
