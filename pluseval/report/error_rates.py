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

    def procedures(self, treated: int) -> tuple[str, ...]:
        """The procedures measured there, in the order of the table."""
        return tuple(dict.fromkeys(r["procedure"] for r in self.rows if r["treated"] == treated))

    def row(self, cell: str, procedure: str) -> Mapping[str, Any] | None:
        """One row; None where the procedure does not apply to the cell."""
        return next((r for r in self.rows if r["cell"] == cell and r["procedure"] == procedure), None)

    def table(
        self, what: str, *, treated: int, cells: Sequence[str] | None = None, caption: str = ""
    ) -> Html:
        """Procedures by cells, in percent with Monte Carlo error; colours mark what is far from nominal.

        Parameters
        ----------
        what : {"size", "coverage", "power", "larger_power"}
            Which share.
        treated : int
            Number of programme practices.
        cells : sequence of str, optional
            Which cells; all of them by default.
        caption : str
            What the table says.
        """
        shown = [c for c in self.cells(treated) if cells is None or c in cells]
        head = "".join(f'<th scope="col">{html.escape(_words(c))}</th>' for c in shown)
        body = []
        for procedure in self.procedures(treated):
            found = [self.row(c, procedure) for c in shown]
            if any(r is not None and r[what] is not None for r in found):
                marks = "".join(_cell(r, what) for r in found)
                body.append(f'<tr><th scope="row">{html.escape(procedure)}</th>{marks}</tr>')
        return Html(
            f'<table class="pluseval-table pluseval-rates"><caption>{html.escape(caption)}</caption>'
            f'<thead><tr><th scope="col">procedure</th>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table>"
        )

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
