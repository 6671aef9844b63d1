"""Making a synthetic study: practices, their shocks, then persons, written practice by practice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pluseval.data.source import Source
from pluseval.data.synthetic.condition_costs import conditioned_costs
from pluseval.data.synthetic.condition_referrals import conditioned_referrals
from pluseval.data.synthetic.condition_surveys import conditioned_surveys
from pluseval.data.synthetic.effects import DEFAULT, Effects, effects_of
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.persons import enlist
from pluseval.data.synthetic.practices import roster
from pluseval.data.synthetic.published import PUBLISHED, refuse_unfit
from pluseval.data.synthetic.readme import README, readme
from pluseval.data.synthetic.shocks import cost_levels, practice_effects, referral_levels, survey_levels
from pluseval.data.synthetic.surveys import panel, survey_rows
from pluseval.data.synthetic.tables import Layout, write_persons, write_practices, write_surveys
from pluseval.data.synthetic.truth import FILE as TRUTH
from pluseval.data.synthetic.truth import truth, write_truth
from pluseval.errors import DesignError


def synthesize(
    out: Path | str,
    *,
    seed: int,
    kind: Literal["planted", "conditioned"] = "planted",
    parameters: Parameters | None = None,
    effects: Effects | str | Path | Mapping[str, Any] = DEFAULT,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic study into a folder.

    Parameters
    ----------
    out : Path
        Folder to make. An earlier synthetic study there is replaced; any other content is refused. It is
        written beside it and renamed, so that a run cut short leaves what was there.
    seed : int
        One seed, one study: the same bytes.
    kind : {"planted", "conditioned"}
        ``planted``: effects set in the generator. ``conditioned``: practice shocks drawn so that the
        published figures return; refused wherever error rates, coverage, power or recovery are measured.
    parameters : Parameters, optional
        Sizes, levels and variation; the defaults describe the OZL programme.
    effects : Effects, str, Path or mapping
        Planted truth: a name (``default``, ``null``, ``benefit``, ``harm``, ``heterogeneous``), a TOML file,
        or a set.
    progress : callable, optional
        Called with (practices done, practices in all).

    Returns
    -------
    Path
        The folder: one Parquet file per table, ``study.toml``, ``truth.json``, ``README.md``.

    Raises
    ------
    DesignError
        If the seed is no whole number of 0 or more, the folder holds something else, or the published figures
        cannot be met with these parameters.

    Examples
    --------
    >>> import tempfile
    >>> small = Parameters.sized(treated=3, comparators=6, patients=2_000)
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = synthesize(f"{folder.name}/study", seed=1, parameters=small, effects="null")
    >>> sorted(p.name for p in study.iterdir())[:3]
    ['README.md', 'insured_years.parquet', 'practice_links.parquet']
    >>> folder.cleanup()
    """
    if kind not in ("planted", "conditioned"):
        raise DesignError(f"kind is {kind!r}; use 'planted' or 'conditioned'")
    if not isinstance(seed, int) or seed < 0:
        raise DesignError(f"synthesize: seed is {seed!r}; a whole number of 0 or more, as seed=2016")
    parameters = parameters or Parameters()
    chosen = effects_of(effects)
    out = Path(out)
    _refuse_other_content(out)
    if kind == "conditioned":
        refuse_unfit(parameters)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        made = Path(scratch) / "new"
        made.mkdir()
        _write_study(made, seed, kind, parameters, chosen, progress)
        if out.exists():
            out.rename(Path(scratch) / "old")
        made.rename(out)
    return out


def _refuse_other_content(out: Path) -> None:
    if out.is_file():
        raise DesignError(f"{out.name} is a file; name a folder for the study")
    if out.is_dir() and any(out.iterdir()) and not (out / TRUTH).is_file():
        raise DesignError(
            f"the folder {out.name} holds other files (no {TRUTH}); choose an empty or new folder"
        )


def _write_study(
    folder: Path,
    seed: int,
    kind: Literal["planted", "conditioned"],
    parameters: Parameters,
    effects: Effects,
    progress: Callable[[int, int], None] | None,
) -> None:
    practices = roster(parameters, seed=seed)
    own = practice_effects(practices, effects, seed=seed)
    given = (practices, parameters, effects, own)
    conditioned_on: dict[str, Any] | None = None
    if kind == "conditioned":
        referrals, how_referrals = conditioned_referrals(*given, seed=seed)
        costs, how_costs = conditioned_costs(*given, seed=seed)
        persons = enlist(practices, parameters, seed=seed)
        surveys, how_surveys = conditioned_surveys(
            *given, panel(practices, parameters, persons, seed=seed), seed=seed
        )
        conditioned_on = {
            "published": PUBLISHED.as_dict(),
            "referrals": how_referrals,
            "costs": how_costs,
            "surveys": how_surveys,
        }
    else:
        referrals = referral_levels(*given, seed=seed)
        costs = cost_levels(*given, seed=seed)
        persons = enlist(practices, parameters, seed=seed)
        experience = survey_levels(practices, parameters, seed=seed)
        surveys = survey_rows(*given, panel(practices, parameters, persons, seed=seed), experience, seed=seed)

    label = Source(parameters.programmes[0].name, kind).label
    layout = Layout.of(folder, parameters, practices, persons, note=label)
    write_practices(layout)
    write_surveys(layout, surveys)
    write_persons(layout, referrals, costs, seed=seed, progress=progress)
    write_truth(
        truth(
            seed=seed,
            kind=kind,
            parameters=parameters,
            effects=effects,
            roster=practices,
            own=own,
            conditioned_on=conditioned_on,
        ),
        folder,
    )
    _write_toml(folder, parameters, kind, seed, effects)
    (folder / README).write_text(
        readme(kind=kind, seed=seed, parameters=parameters, effects=effects, label=label),
        encoding="utf-8",
        newline="\n",
    )


def _write_toml(folder: Path, parameters: Parameters, kind: str, seed: int, effects: Effects) -> None:
    names = "+".join(p.name for p in parameters.programmes)
    label = Source(names, kind).label  # type: ignore[arg-type]
    provenance = f"pluseval synthesize, seed {seed}, effects {effects.name}; {label}"
    lines = [
        f'name = "{names} synthetic study ({kind})"',
        'schema_version = "1"',
        f'kind = "{kind}"',
        f"first_year = {parameters.first_year}",
        f"last_year = {parameters.last_year}",
        f"complete_through = {parameters.last_year}",
        f'programme = "{parameters.programmes[0].name}"',
        f'provenance = "{provenance}"',
    ]
    (folder / "study.toml").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
