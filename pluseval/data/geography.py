"""Dutch municipalities on one set of borders: names, mergers, neighbours, and the programme's regions."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pluseval.errors import ContractError, NotFoundError, UnreadableError

OZL = ("BEEKDAELEN", "BRUNSSUM", "HEERLEN", "KERKRADE", "LANDGRAAF", "SIMPELVELD", "VOERENDAAL")
"""Oostelijk Zuid-Limburg. BEEKDAELEN merges Nuth, Onderbanken (OZL) and Schinnen (Westelijke Mijnstreek)."""

WM = ("BEEK", "SITTARD-GELEEN", "STEIN")
MH = (
    "EIJSDEN-MARGRATEN",
    "GULPEN-WITTEM",
    "MAASTRICHT",
    "MEERSSEN",
    "VAALS",
    "VALKENBURG AAN DE GEUL",
)
NEAR = ("ECHT-SUSTEREN",)
"""Neighbour of South Limburg whose patients use its hospital: no donor."""

SPLIT = ("BOXTEL", "HAAREN", "OISTERWIJK", "TILBURG", "VUGHT")
"""HAAREN was split over the other four in 2021, so that none of the five is one place before and after."""

NO_DONORS = tuple(sorted({*OZL, *WM, *MH, *NEAR, *SPLIT}))
"""Municipalities that are never compared with OZL."""

# Reorganisations of 2021-2023, after the borders of 2020 (CBS, "Gemeentelijke indelingen per jaar").
_REORGANISATIONS = {
    "EEMSDELTA": ("APPINGEDAM", "DELFZIJL", "LOPPERSUM"),
    "PURMEREND": ("BEEMSTER",),
    "DIJK EN WAARD": ("HEERHUGOWAARD", "LANGEDIJK"),
    "LAND VAN CUIJK": ("BOXMEER", "CUIJK", "GRAVE", "MILL EN SINT HUBERT", "SINT ANTHONIS"),
    "MAASHORST": ("LANDERD", "UDEN"),
    "AMSTERDAM": ("WEESP",),
    "VOORNE AAN ZEE": ("BRIELLE", "HELLEVOETSLUIS", "WESTVOORNE"),
}
MERGERS: Mapping[str, str] = {old: new for new, olds in _REORGANISATIONS.items() for old in olds}
"""Old name to new name, from the borders of 2020 to those of 2023."""

_ALIASES = {
    "BERGEN (L.)": "BERGEN LB",
    "BERGEN (NH.)": "BERGEN NH",
    "NUENEN, GERWEN EN NEDERWETTEN": "NUENEN CA",
    "'S-GRAVENHAGE": "S GRAVENHAGE",
    "'S-HERTOGENBOSCH": "S HERTOGENBOSCH",
}
_NEIGHBOURS_FILE = Path(__file__).with_name("municipality_neighbours.csv")


@dataclass(frozen=True)
class Geography:
    """Municipalities and which of them share a border.

    Attributes
    ----------
    municipalities : tuple of str
        Canonical names, ascending.
    province : tuple of str
    position : tuple of (float, float)
        Longitude and latitude, degrees, approximate.
    neighbours : tuple of tuple of int
        Positions in ``municipalities``, ascending; symmetric.
    """

    municipalities: tuple[str, ...]
    province: tuple[str, ...]
    position: tuple[tuple[float, float], ...]
    neighbours: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for i, others in enumerate(self.neighbours):
            if any(i not in self.neighbours[j] or i == j for j in others):
                raise ContractError(f"{self.municipalities[i]}: neighbours must be other places, both ways")

    def among(self, names: Iterable[str]) -> tuple[tuple[int, ...], ...]:
        """Neighbours within ``names``, as positions in ``names``."""
        names = list(names)
        position = {name: k for k, name in enumerate(names)}
        whole = dict(zip(self.municipalities, self.neighbours, strict=True))
        missing = [name for name in names if name not in whole]
        if missing:
            raise NotFoundError(f"no neighbours known for {', '.join(missing)}")
        return tuple(
            tuple(position[self.municipalities[j]] for j in whole[name] if self.municipalities[j] in position)
            for name in names
        )


def canonical(name: str) -> str:
    """A municipality's name as Vektis writes it: upper case, no accents, single spaces, its abbreviations.

    Examples
    --------
    >>> canonical("  Súdwest-Fryslân  "), canonical("'s-Gravenhage"), canonical("Bergen (L.)")
    ('SUDWEST-FRYSLAN', 'S GRAVENHAGE', 'BERGEN LB')
    """
    plain = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
    plain = re.sub(r"\s+", " ", plain).strip().upper()
    return _ALIASES.get(plain, plain)


def load_geography(path: str | Path | None = None) -> Geography:
    """The municipalities on the borders of 2023 (and HAAREN) with their neighbours.

    Derived from the CBS / Kadaster borders of 2017 and the mergers since.

    Parameters
    ----------
    path : path, optional
        Another file with the columns ``municipality, province, lon, lat, neighbours`` (``|`` between names).

    Raises
    ------
    NotFoundError, UnreadableError

    Examples
    --------
    >>> geography = load_geography()
    >>> len(geography.municipalities)
    343
    """
    file = Path(path) if path is not None else _NEIGHBOURS_FILE
    rows = _rows(file, ("municipality", "province", "lon", "lat", "neighbours"))
    rows.sort(key=lambda row: row["municipality"])
    names = [row["municipality"] for row in rows]
    index = {name: k for k, name in enumerate(names)}
    try:
        return Geography(
            municipalities=tuple(names),
            province=tuple(row["province"] for row in rows),
            position=tuple((float(row["lon"]), float(row["lat"])) for row in rows),
            neighbours=tuple(
                tuple(sorted(index[n] for n in row["neighbours"].split("|") if n)) for row in rows
            ),
        )
    except KeyError as error:
        raise UnreadableError(f"{file.name}: a neighbour ({error}) is not itself in the list") from None


def load_mergers(path: str | Path) -> dict[str, str]:
    """Old name to new name from a file ``old,new``; places that were split are left as they are.

    Raises
    ------
    NotFoundError, UnreadableError
    """
    rows = _rows(Path(path), ("old", "new"))
    return {
        canonical(row["old"]): canonical(row["new"]) for row in rows if not row["new"].startswith("SPLIT")
    }


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    if not file.is_file():
        raise NotFoundError(f"{file.name} is not there")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError(f"{file.name} is not UTF-8 text") from None
    reader = csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#"))
    missing = [c for c in columns if c not in (reader.fieldnames or ())]
    if missing:
        raise UnreadableError(f"{file.name} has no column {', '.join(missing)}")
    return list(reader)
