"""Where numbers come from: the one label that travels from a study to every table, figure and page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pluseval.errors import ConditionedError, DesignError

Kind = Literal["real", "public", "planted", "conditioned"]

_LABELS = {
    "real": "",
    "public": "",
    "planted": "synthetic",
    "conditioned": ("synthetic, drawn to reproduce the published figures; no evidence about PlusPraktijken"),
}
_LABELS_NL = {
    "real": "",
    "public": "",
    "planted": "synthetisch",
    "conditioned": (
        "synthetisch, zo getrokken dat de gepubliceerde cijfers terugkomen; geen bewijs over PlusPraktijken"
    ),
}


@dataclass(frozen=True)
class Source:
    """What a study is, in words, and the hash of its content.

    Parameters
    ----------
    name : str
        Name of the study or data set, for captions ("OZL synthetic study", "bron: Vektis").
    kind : {"real", "public", "planted", "conditioned"}
        ``planted``: synthetic with effects set in the generator. ``conditioned``: synthetic, with
        practice shocks drawn so that one named reading gives the published figures.
    content_hash : str
        SHA-256 of the content, free of row order and file format; empty for frames made by hand.
    """

    name: str
    kind: Kind = "real"
    content_hash: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _LABELS:
            raise DesignError(f"Source.kind is {self.kind!r}; use one of {sorted(_LABELS)}")

    @property
    def synthetic(self) -> bool:
        """Whether the data were generated."""
        return self.kind in ("planted", "conditioned")

    @property
    def label(self) -> str:
        """The warning that everything made from these data carries (empty for real data)."""
        return _LABELS[self.kind]

    @property
    def label_nl(self) -> str:
        """The same warning in Dutch."""
        return _LABELS_NL[self.kind]

    def refuse_conditioned(self, purpose: str) -> None:
        """Stop ``purpose`` (error rates, coverage, power, recovery) on a conditioned study.

        Raises
        ------
        ConditionedError
            If the study was drawn to reproduce the published figures.
        """
        if self.kind == "conditioned":
            raise ConditionedError(
                f"{purpose} cannot be measured on a conditioned synthetic study: its practice shocks were "
                "drawn to return the published figures. Use a planted study (`pluseval synthesize`)."
            )
