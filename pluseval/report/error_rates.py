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

_NUMBERS = (
    "size", "size_mcse", "coverage", "coverage_mcse", "effect", "power", "power_mcse", "larger_effect",
    "larger_power", "larger_power_mcse", "median_width", "studies", "treated", "comparison",
)  # fmt: skip


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
MAIN = (
    "permutation_t_tertiles_equal", "permutation_t_tertiles", "permutation_t_tertiles_log", "permutation_t",
    "cr2_bm", "wild_rademacher", "pooled_t", "cr1",
)  # fmt: skip
OTHERS = (
    "panel_independent", "panel_cr1", "cs_analytic", "cs_permutation_tertiles", "single_t", "sign_flips",
    "mixed_practice", "mixed_kr",
)  # fmt: skip


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

    rows: tuple[Mapping[str, Any], ...]
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

    def cells(self, treated: int) -> tuple[str, ...]:
        """The cells with so many programme practices, in the order of the table."""
        return tuple(dict.fromkeys(r["cell"] for r in self.rows if r["treated"] == treated))

    def row(self, cell: str, procedure: str) -> Mapping[str, Any] | None:
        """One row; None where the procedure does not apply to the cell."""
        return next((r for r in self.rows if r["cell"] == cell and r["procedure"] == procedure), None)

    def table(self, what: str, *, treated: int, procedures: Sequence[str], caption: str = "") -> Html:
        """Kinds of study by procedures, in percent with Monte Carlo error; colours mark what is far off.

        Parameters
        ----------
        what : {"size", "coverage", "power", "larger_power"}
            Which share.
        treated : int
            Number of programme practices.
        procedures : sequence of str
            Which procedures; kinds of study to which none of them applies are left out.
        caption : str
            What the table says.
        """
        head = "".join(f'<th scope="col">{html.escape(NAMES.get(p, p))}</th>' for p in procedures)
        body = []
        for cell in self.cells(treated):
            found = [self.row(cell, procedure) for procedure in procedures]
            if any(r is not None and r[what] is not None for r in found):
                marks = "".join(_cell(r, what) for r in found)
                body.append(f'<tr><th scope="row">{html.escape(_words(cell))}</th>{marks}</tr>')
        return Html(
            f'<table class="pluseval-table pluseval-rates"><caption>{html.escape(caption)}</caption>'
            f'<thead><tr><th scope="col">kind of study</th>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def primary(self) -> Html:
        """Which procedure the rule chooses, and where the other candidates miss, from the manifest."""
        chosen = self.manifest.get("primary", "")
        lines = [f"<p>Chosen by the rule: <b>{html.escape(NAMES.get(chosen, chosen))}</b>.</p><ul>"]
        for one in self.manifest.get("candidates", []):
            missed = ", ".join(
                f"{_words(cell)} {cell.rsplit('.', 1)[1]} ({100 * size:.1f} %)"
                for cell, size in one["fails"].items()
            )
            text = f"misses in {missed}" if missed else "keeps every bound"
            name = NAMES.get(one["procedure"], one["procedure"])
            power = format_number(100 * one["mean_power"], 1)
            lines.append(f"<li>{html.escape(f'{name}: {text}; mean power {power} %')}</li>")
        return Html("".join(lines) + "</ul>")

    def studies(self) -> Html:
        """How many studies stand behind the rows."""
        counts = sorted({int(r["studies"]) for r in self.rows if r["studies"]})
        cells = len({r["cell"] for r in self.rows})
        return Html(
            f"<p>{len(self.rows)} rows over {cells} kinds of study; {format_number(counts[0], 0)} to "
            f"{format_number(counts[-1], 0)} studies a row. In brackets: Monte Carlo error in points.</p>"
        )


def _value(name: str, text: str) -> Any:
    if name not in _NUMBERS:
        return text
    return float(text) if text not in ("", "nan") else None


def _words(cell: str) -> str:
    return cell.rsplit(".", 1)[0].replace("_", " ")


def _cell(row: Mapping[str, Any] | None, what: str) -> str:
    if row is None or row[what] is None:
        return "<td></td>"
    share = 100 * row[what]
    error = row.get(f"{what}_mcse")
    text = f"{share:.1f}" + (f" ({100 * error:.1f})" if error is not None else "")
    far = ""
    if what in ("size", "coverage"):
        away = share - (5 if what == "size" else 95)
        away = away if what == "size" else -away
        far = "high" if away > 2 else "raised" if away > 1 else "low" if away < -2 else ""
    return f'<td data-rate="{far}">{text}</td>' if far else f"<td>{text}</td>"
