"""The measured error rates of the procedures, as pages show them: read from the committed table."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluseval.errors import NotFoundError
from pluseval.report.numbers import format_number
from pluseval.report.readback import Html

Row = Mapping[str, Any]

_NUMBERS = (
    "size", "size_mcse", "coverage", "coverage_mcse", "effect", "power", "power_mcse", "larger_effect",
    "larger_power", "larger_power_mcse", "opposite_power", "opposite_power_mcse", "median_width",
    "median_width_mcse", "intervals", "unbounded", "studies", "treated", "comparison",
)  # fmt: skip

# Names short enough for the head of a column; a procedure that is not here has the title of the manifest.
NAMES = {
    "pooled_t": "pooled t",
    "welch": "Welch t",
    "cr1": "CR1, t(G-1)",
    "cr1_bm": "CR1, Bell-McCaffrey",
    "cr2_bm": "CR2, Bell-McCaffrey",
    "cr3_bm": "CR3, Bell-McCaffrey",
    "cr2_bm_log": "CR2, given log list size",
    "permutation_coefficient": "permutation, coefficient",
    "permutation_t": "permutation t",
    "permutation_t_tertiles": "permutation t, tertiles",
    "permutation_t_tertiles_log": "permutation t, tertiles, given log list size",
    "permutation_t_quintiles": "permutation t, quintiles",
    "permutation_t_tertiles_equal": "permutation t, tertiles, equal tails",
    "permutation_t_tertiles_log_equal": "permutation t, tertiles, given log list size, equal tails",
    "permutation_t_quintiles_equal": "permutation t, quintiles, equal tails",
    "wild_rademacher": "wild bootstrap, Rademacher",
    "wild_webb": "wild bootstrap, Webb",
    "panel_independent": "uncollapsed panel, independent years",
    "panel_cr1": "uncollapsed panel, CR1",
    "cs_analytic": "Callaway-Sant'Anna, analytic",
    "cs_permutation": "Callaway-Sant'Anna, entries permuted",
    "cs_permutation_tertiles": "Callaway-Sant'Anna, entries permuted in tertiles",
    "single_t": "one-sample t",
    "sign_flips": "sign flips",
    "mixed_kr": "mixed model with practice x period, Kenward-Roger",
    "mixed_practice": "mixed model without practice x period",
}
# Shown first, and always; everything else that the table holds stands in the folded part of the page.
MAIN = (
    "permutation_t_tertiles_equal", "permutation_t_tertiles", "permutation_t_tertiles_log", "permutation_t",
    "cr2_bm", "wild_rademacher", "pooled_t", "cr1",
)  # fmt: skip
FAMILIES = {
    "changes": "one change per practice, other variants",
    "panel": "panels that are not collapsed to one change per practice",
    "staggered": "staggered starts",
    "single_arm": "the change of one group alone",
    "mixed": "mixed models of single answers",
}
UNITS = {
    "per 100": "referrals per 100 enlisted",
    "EUR": "euros per insured-year",
    "points": "NPS points",
    "utility": "EQ-5D utility",
}
_DECIMALS = {"EUR": 0, "utility": 3}
# What the primary must keep, (from, to) where effects are constant and the upper one where they vary, by the
# least number of programme practices it is for; a test holds them against the rule that chooses the primary.
BOUNDS = {14: (0.04, 0.06, 0.07), 0: (0.03, 0.07, 0.10)}


@dataclass(frozen=True)
class ErrorRates:
    """Size, coverage, power and width of every procedure in every cell, with the number of studies.

    Parameters
    ----------
    rows : tuple of mapping
        One per cell and procedure; shares between 0 and 1, None where a procedure was refused.
    manifest : mapping
        What made them: seeds, numbers of studies, versions, hash of the code that was measured.
    """

    rows: tuple[Row, ...]
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> ErrorRates:
        """The table in a folder.

        Raises
        ------
        NotFoundError
            If there is no table; ``make calibrate`` makes one.
        """
        file = Path(folder) / "table.csv"
        if not file.is_file():
            raise NotFoundError("there is no table of error rates; `make calibrate` makes one")
        with file.open(encoding="utf-8", newline="") as stream:
            rows = tuple({k: _value(k, v) for k, v in row.items()} for row in csv.DictReader(stream))
        manifest = Path(folder) / "manifest.json"
        known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        return cls(rows, known)

    # -- what the table holds ------------------------------------------------------------------------------

    @property
    def designs(self) -> tuple[tuple[int, int], ...]:
        """Numbers of programme and comparison practices of each design, the larger first."""
        return tuple(sorted({(int(r["treated"]), int(r["comparison"])) for r in self.rows}, reverse=True))

    @property
    def chosen(self) -> str:
        """The primary procedure, by its name in the table; empty without a manifest."""
        return self.manifest.get("primary", "")

    @property
    def alpha(self) -> float:
        """The nominal level."""
        return float(self.manifest.get("alpha", 0.05))

    def cells(self, treated: int, *, constant: bool | None = None) -> tuple[str, ...]:
        """The cells with so many programme practices, in the order of the table.

        ``constant`` keeps those in which effects are equal in all practices, or those in which they vary.
        """
        return tuple(
            dict.fromkeys(
                r["cell"] for r in self.rows if r["treated"] == treated and constant in (None, is_constant(r))
            )
        )

    def row(self, cell: str, procedure: str) -> Row | None:
        """One row; None where the procedure does not apply to the cell."""
        return next((r for r in self.rows if r["cell"] == cell and r["procedure"] == procedure), None)

    def measured(
        self, procedure: str, what: str, *, treated: int, constant: bool | None = None
    ) -> tuple[Row, ...]:
        """The rows of a procedure in which ``what`` was measured."""
        cells = self.cells(treated, constant=constant)
        found = (self.row(cell, procedure) for cell in cells)
        return tuple(r for r in found if r is not None and r.get(what) is not None)

    def procedures(self) -> tuple[str, ...]:
        """Every procedure of the table: the main ones, then the others in its order."""
        known = dict.fromkeys(r["procedure"] for r in self.rows)
        return (*(p for p in MAIN if p in known), *(p for p in known if p not in MAIN))

    def main(self) -> tuple[str, ...]:
        """The procedures that are shown first, the chosen one before the others."""
        first = [p for p in self.procedures() if p in MAIN or p == self.chosen]
        return tuple(sorted(first, key=lambda p: p != self.chosen))

    def others(self) -> dict[str, tuple[str, ...]]:
        """Every procedure that is not among the main ones, by the kind of design it is for."""
        groups: dict[str, list[str]] = {}
        for procedure in self.procedures():
            if procedure not in self.main():
                family = self._known(procedure).get("family", "other designs")
                groups.setdefault(FAMILIES.get(family, family.replace("_", " ")), []).append(procedure)
        known = [title for title in FAMILIES.values() if title in groups]
        return {title: tuple(groups[title]) for title in dict.fromkeys([*known, *groups])}

    def candidates(self, treated: int) -> tuple[str, ...]:
        """The procedures that could be the primary: tried in every kind of study of the design."""
        every = self.cells(treated)
        return tuple(
            p
            for p in self.procedures()
            if self._known(p).get("candidate", True)
            and len(self.measured(p, "size", treated=treated)) == len(every)
        )

    def kind(self, cell: str) -> str:
        """The kind of study in words."""
        title = self.manifest.get("cells", {}).get(cell, {}).get("title")
        return title or cell.rsplit(".", 1)[0].replace("_", " ")

    def name(self, procedure: str) -> str:
        """The procedure in words."""
        return NAMES.get(procedure) or self._known(procedure).get("title") or procedure.replace("_", " ")

    def keeps(self, row: Row) -> bool:
        """Whether the size of a row lies within the bounds that the primary must keep."""
        low, high = bounds_of(row)
        return low <= row["size"] <= high

    def _known(self, procedure: str) -> Mapping[str, Any]:
        return self.manifest.get("procedures", {}).get(procedure, {})

    # -- tables --------------------------------------------------------------------------------------------

    def table(self, what: str, *, treated: int, procedures: Sequence[str], caption: str = "") -> Html:
        """Kinds of study by procedures, with Monte Carlo error; colours mark what is far off.

        Parameters
        ----------
        what : {"size", "coverage", "power", "larger_power", "opposite_power", "median_width"}
            Which share (in percent), or the width in the unit of the outcome. A column that the table does
            not have gives an empty piece.
        treated : int
            Number of programme practices.
        procedures : sequence of str
            Which procedures; those that were not measured on the design, and kinds of study to which none
            applies, are left out.
        caption : str
            What the table says.
        """
        shown = [p for p in procedures if self.measured(p, what, treated=treated)]
        if not shown:
            return Html("")
        head = "".join(f'<th scope="col">{html.escape(self.name(p))}</th>' for p in shown)
        body = []
        for cell in self.cells(treated):
            found = [self.row(cell, procedure) for procedure in shown]
            if any(r is not None and r.get(what) is not None for r in found):
                marks = "".join(self._cell(r, what) for r in found)
                unit = f", {UNITS.get(u, u)}" if what == "median_width" and (u := _unit(found)) else ""
                body.append(f'<tr><th scope="row">{html.escape(self.kind(cell) + unit)}</th>{marks}</tr>')
        return Html(
            f'<table class="pluseval-table pluseval-rates"><caption>{html.escape(caption)}</caption>'
            f'<thead><tr><th scope="col">kind of study</th>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def _cell(self, row: Row | None, what: str) -> str:
        if row is None or row.get(what) is None:
            return "<td></td>"
        error = row.get(f"{what}_mcse")
        if what == "median_width":
            digits = _DECIMALS.get(row.get("unit", ""), 1)
            less = "" if error is None else f" ({format_number(error, digits + 1)})"
            return f"<td>{format_number(row[what], digits)}{less}</td>"
        share = 100 * row[what]
        text = f"{share:.1f}" + (f" ({100 * error:.1f})" if error is not None else "")
        far = ""
        if what in ("size", "coverage"):
            away = share - 100 * (self.alpha if what == "size" else 1 - self.alpha)
            away = away if what == "size" else -away
            far = "high" if away > 2 else "raised" if away > 1 else "low" if away < -2 else ""
        return f'<td data-rate="{far}">{text}</td>' if far else f"<td>{text}</td>"

    def primary(self) -> Html:
        """Which procedure the rule chooses, and where the other candidates miss, from the manifest."""
        lines = [f"<p>Chosen by the rule: <b>{html.escape(self.name(self.chosen))}</b>.</p><ul>"]
        for one in self.manifest.get("candidates", []):
            missed = "; ".join(
                f"{self.kind(cell)}, {cell.rsplit('.', 1)[1]} practices ({100 * size:.1f} %)"
                for cell, size in one["fails"].items()
            )
            text = f"misses in {missed}" if missed else "keeps every bound"
            power = format_number(100 * one["mean_power"], 1)
            told = f"{self.name(one['procedure'])}: mean power {power} %; {text}"
            lines.append(f"<li>{html.escape(told)}</li>")
        return Html("".join(lines) + "</ul>")

    def studies(self) -> Html:
        """How many studies stand behind the rows, and what was refused and why."""
        counts = sorted({int(r["studies"]) for r in self.rows if r["studies"]})
        kinds = len({r["cell"] for r in self.rows})
        refused: dict[tuple[str, str], None] = {}
        for cell in self.manifest.get("cells", {}).values():
            for procedure, reason in cell.get("refused", {}).items():
                refused[f"{self.name(procedure)} with {cell.get('design', '')} practices", reason] = None
        no = "".join(f" Refused: {what} ({why})." for what, why in refused)
        text = (
            f"{len(self.rows)} rows over {kinds} kinds of study; {format_number(counts[0], 0)} to "
            f"{format_number(counts[-1], 0)} studies a row. In brackets in the tables: Monte Carlo error.{no}"
        )
        return Html(f"<p>{html.escape(text)}</p>")


def bounds_of(row: Row) -> tuple[float, float]:
    """The sizes between which the primary must stay in a row's kind of study."""
    low, high, varying = bounds_for(row["treated"])
    return (low, high) if is_constant(row) else (0.0, varying)


def bounds_for(treated: float) -> tuple[float, float, float]:
    """The bounds of a design: least and most where effects are constant, most where they vary."""
    return next(found for least, found in BOUNDS.items() if treated >= least)


def is_constant(row: Row) -> bool:
    """Whether effects are equal in all practices of a row's kind of study."""
    return row.get("constant_effect", "true") == "true"


def _unit(found: Sequence[Row | None]) -> str:
    return next((r["unit"] for r in found if r is not None and r.get("unit")), "")


def _value(name: str, text: str | None) -> Any:
    if name not in _NUMBERS:
        return text
    return float(text) if text not in (None, "", "nan") else None
