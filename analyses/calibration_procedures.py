"""The procedures whose error rates are measured, and what they say of a block of studies.

The candidates for the primary take one change per practice. Every p-value is of no effect, for the studies as
drawn and with each of the cell's effects added; as every procedure here moves with a constant effect, the
first is at the same time the p-value of the truth (of the mean effect, where effects vary), so that coverage
is one minus it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analyses.calibration_cells import Cell, Drawn
from pluseval.errors import DesignError
from pluseval.numerics.assign import Assignments, assignments, quantile_strata
from pluseval.numerics.linear import fit
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import kenward_roger, satterthwaite
from pluseval.numerics.permute import permutation_test, sign_flip_test
from pluseval.numerics.reassignment import callaway_santanna_map
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.studies import (
    Permutations,
    Reassignments,
    TTests,
    WildDraws,
    mean_t,
    panel_t,
    pooled_t,
    robust_t,
    sign_flip_p_values,
    welch_t,
)
from pluseval.numerics.wild import wild_bootstrap

DRAWS = 1_999
T_WIDTHS = 50  # intervals of a block whose width is kept: of t tests, and of inverted tests
DRAWN_WIDTHS = 5
WEBB = np.sqrt([1.5, 1.0, 0.5])


@dataclass(frozen=True)
class Procedure:
    """A procedure as a row of the table.

    Parameters
    ----------
    name, title : str
    family : str
        Which cells it applies to.
    candidate : bool
        Whether it could be the primary: False for what is shown as a warning or for comparison.
    plan : dict, optional
        Its entry in the plan: the ``inference`` table and ``adjust``.
    """

    name: str
    title: str
    family: str
    candidate: bool = True
    plan: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """P-values of a block: (3, D) with no, the smaller and the larger effect; widths of some intervals."""

    p: np.ndarray
    widths: np.ndarray


@dataclass(frozen=True)
class PermutationChoice:
    """How a permutation is made: number of list-size groups (1: none), covariate, tails, statistic."""

    groups: int = 1
    adjusted: bool = False
    equal_tails: bool = False
    coefficient: bool = False

    @property
    def drawn(self) -> PermutationChoice:
        """What decides the draws and the statistic, the tails left open."""
        return replace(self, equal_tails=False)

    @property
    def plan(self) -> dict[str, Any]:
        """The entry of the plan."""
        inference: dict[str, Any] = {"procedure": "permutation"}
        if self.groups > 1:
            inference["strata"] = "list_size"
        if self.groups > 3:
            inference["groups"] = self.groups
        if self.equal_tails:
            inference["tails"] = "equal"
        if self.coefficient:
            inference["statistic"] = "coefficient"
        return {"inference": inference, "adjust": ["log(list_size)"] if self.adjusted else []}


PERMUTATIONS = {
    "permutation_coefficient": (PermutationChoice(coefficient=True), "permutation of the coefficient"),
    "permutation_t": (PermutationChoice(), "permutation of Welch's t"),
    "permutation_t_tertiles": (PermutationChoice(3), "permutation of Welch's t within list-size tertiles"),
    "permutation_t_tertiles_log": (
        PermutationChoice(3, adjusted=True),
        "permutation of the CR2 t within list-size tertiles, log list size as covariate",
    ),
    "permutation_t_quintiles": (
        PermutationChoice(5),
        "permutation of Welch's t within list-size quintiles",
    ),
    "permutation_t_tertiles_equal": (
        PermutationChoice(3, equal_tails=True),
        "permutation of Welch's t within list-size tertiles, each tail by itself",
    ),
    "permutation_t_tertiles_log_equal": (
        PermutationChoice(3, adjusted=True, equal_tails=True),
        "permutation of the CR2 t within list-size tertiles, log list size as covariate, each tail by itself",
    ),
    "permutation_t_quintiles_equal": (
        PermutationChoice(5, equal_tails=True),
        "permutation of Welch's t within list-size quintiles, each tail by itself",
    ),
}


def _robust(kind: str, *adjust: str, df: str = "bell-mccaffrey") -> dict[str, Any]:
    entry = {"procedure": "cluster_robust", "kind": kind}
    if df != "bell-mccaffrey":
        entry["df"] = df
    return {"inference": entry, "adjust": list(adjust)}


PROCEDURES: tuple[Procedure, ...] = (
    Procedure("pooled_t", "pooled t", "changes", plan={"inference": {"procedure": "ols"}, "adjust": []}),
    Procedure("welch", "Welch", "changes", plan={"inference": {"procedure": "welch"}, "adjust": []}),
    Procedure("cr1", "CR1, t(G - 1)", "changes", plan=_robust("CR1", df="clusters")),
    Procedure("cr1_bm", "CR1, Bell-McCaffrey", "changes", plan=_robust("CR1")),
    Procedure("cr2_bm", "CR2, Bell-McCaffrey", "changes", plan=_robust("CR2")),
    Procedure("cr3_bm", "CR3, Bell-McCaffrey", "changes", plan=_robust("CR3")),
    Procedure(
        "cr2_bm_log", "CR2, Bell-McCaffrey, log list size as covariate", "changes",
        plan=_robust("CR2", "log(list_size)"),
    ),
    *(
        Procedure(name, title, "changes", not choice.coefficient, choice.plan)
        for name, (choice, title) in PERMUTATIONS.items()
    ),
    *(
        Procedure(
            f"wild_{weights}", f"wild cluster bootstrap, restricted, {weights.capitalize()}", "changes",
            plan={"inference": {"procedure": "wild_bootstrap", "weights": weights}, "adjust": []},
        )
        for weights in ("rademacher", "webb")
    ),
    Procedure("panel_independent", "uncollapsed panel, years independent", "panel", False),
    Procedure("panel_cr1", "uncollapsed panel, CR1, t(G - 1)", "panel", False),
    Procedure("cs_analytic", "Callaway-Sant'Anna, analytic, normal", "staggered"),
    Procedure("cs_permutation", "Callaway-Sant'Anna, studentised, entries permuted", "staggered"),
    Procedure(
        "cs_permutation_tertiles",
        "Callaway-Sant'Anna, studentised, entries permuted within list-size tertiles", "staggered",
    ),
    Procedure(
        "single_t", "single arm, t", "single_arm", plan={"inference": {"procedure": "ols"}, "adjust": []}
    ),
    Procedure(
        "sign_flips", "single arm, sign flips", "single_arm",
        plan={"inference": {"procedure": "sign_flip"}, "adjust": []},
    ),
    Procedure("mixed_kr", "mixed model, practice and practice x period, Kenward-Roger", "mixed"),
    Procedure("mixed_practice", "mixed model, practice only, Satterthwaite", "mixed", False),
)  # fmt: skip


def procedures_of(cell: Cell) -> tuple[Procedure, ...]:
    """The procedures that apply to a cell."""
    return tuple(procedure for procedure in PROCEDURES if procedure.family in cell.families)


def run_family(family: str, cell: Cell, drawn: Drawn, *, seed: int) -> dict[str, Found | str]:
    """What every procedure of a family says of a block; the reason in words where one refuses the design."""
    found: dict[str, Found | str] = {}
    try:
        for name, answer in _FAMILIES[family](cell, drawn, seed):
            found[name] = answer
    except DesignError as error:  # what has answered stands; a design that the rest refuses, it refuses here
        named = [procedure.name for procedure in PROCEDURES if procedure.family == family]
        found.update({name: str(error) for name in named if name not in found})
    return found


def _changes(cell: Cell, drawn: Drawn, seed: int) -> Iterator[tuple[str, Found | str]]:
    design, y = cell.design, drawn.change
    group, log = design.treated.astype(float), design.log_size
    yield "pooled_t", _of_t(pooled_t(y, group), cell)
    yield "welch", _of_t(welch_t(y, group), cell)
    yield "cr1", _of_t(robust_t(y, group, kind="CR1", df="clusters"), cell)
    for kind in ("CR1", "CR2", "CR3"):
        yield f"{kind.lower()}_bm", _of_t(robust_t(y, group, kind=kind), cell)
    yield "cr2_bm_log", _of_t(robust_t(y, group, log), cell)
    effects = (0.0, *cell.effects)
    for variant in dict.fromkeys(choice.drawn for choice, _ in PERMUTATIONS.values()):
        yield from _permuted(cell, y, variant, seed)
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(group.size), group])
    for weights in ("rademacher", "webb"):
        signs = rng.integers(0, 2, (DRAWS, group.size)) * 2.0 - 1
        numbers = signs if weights == "rademacher" else signs * rng.choice(WEBB, signs.shape)
        made_wild = WildDraws.of(group, numbers)
        p = np.stack([made_wild.p_values(y + effect * group) for effect in effects])
        ends = [
            wild_bootstrap(
                fit(row, X), np.arange(group.size), 1, distribution=weights, draws=DRAWS, seed=seed
            ).conf_int()
            for row in y[:DRAWN_WIDTHS]
        ]
        yield f"wild_{weights}", Found(p, np.array([end.high - end.low for end in ends]))


def _permuted(
    cell: Cell, y: np.ndarray, variant: PermutationChoice, seed: int
) -> Iterator[tuple[str, Found | str]]:
    """The permutation tests that share their draws; they differ in how they count the tails."""
    design, group = cell.design, cell.design.treated.astype(float)
    sharing = {name: choice for name, (choice, _) in PERMUTATIONS.items() if choice.drawn == variant}
    covariates = design.log_size if variant.adjusted else None
    try:
        strata = None if variant.groups == 1 else quantile_strata(design.list_size, groups=variant.groups)
        made = assignments(group, strata=strata, draws=DRAWS, seed=seed)
        tests = [
            permutation_test(
                row, group, statistic="coefficient" if variant.coefficient else "cr2", covariates=covariates,
                strata=strata, draws=DRAWS, seed=seed,
            )
            for row in y[:DRAWN_WIDTHS]
        ]  # fmt: skip
    except DesignError as error:
        yield from ((name, str(error)) for name in sharing)
        return
    permuted = Permutations.of(
        group, _listed(made), covariates=covariates, coefficient=variant.coefficient, added=not made.exact
    )
    both = np.stack([permuted.both(y + effect * group) for effect in (0.0, *cell.effects)])  # (3, 2, D)
    for name, choice in sharing.items():
        ends = [test.conf_int(tails="equal" if choice.equal_tails else "symmetric") for test in tests]
        yield name, Found(both[:, int(choice.equal_tails)], np.array([end.high - end.low for end in ends]))


def _panel(cell: Cell, drawn: Drawn, seed: int) -> Iterator[tuple[str, Found]]:
    y, calendar = _panel_of(cell, drawn)
    for name, errors in (("panel_independent", "independent"), ("panel_cr1", "CR1")):
        after = calendar.periods >= calendar.from_period
        yield name, _of_t(panel_t(y, cell.design.treated, after, errors=errors), cell)


def _staggered(cell: Cell, drawn: Drawn, seed: int) -> Iterator[tuple[str, Found]]:
    y, calendar = _panel_of(cell, drawn)
    entry = cell.design.entries(calendar.batches)
    start = np.where(entry == 0, np.inf, entry)
    effect = callaway_santanna_map(start, periods=calendar.periods, comparison="never_treated")
    on = (calendar.periods >= start[:, None]).astype(float)
    for name, strata in (("cs_permutation", None), ("cs_permutation_tertiles", cell.design.tertile)):
        made = assignments(start, strata=strata, draws=DRAWS, seed=seed)
        tests = Reassignments(effect, made.observed.astype(int), _listed(made), added=not made.exact)
        if strata is None:
            yield "cs_analytic", _of_t(tests.analytic(y), cell)
        p = np.stack([tests.p_values(y + size * on) for size in (0.0, *cell.effects)])
        ends = [
            staggered_permutation_test(
                panel, entry=start, periods=calendar.periods, comparison="never_treated", strata=strata,
                draws=DRAWS, seed=seed,
            ).conf_int()
            for panel in y[:DRAWN_WIDTHS]
        ]  # fmt: skip
        yield name, Found(p, np.array([end.high - end.low for end in ends]))


def _single_arm(cell: Cell, drawn: Drawn, seed: int) -> Iterator[tuple[str, Found | str]]:
    y = drawn.change[:, cell.design.treated]
    yield "single_t", _of_t(mean_t(y), cell)
    G = y.shape[1]
    try:
        ends = [sign_flip_test(row, draws=2**14, seed=seed).conf_int() for row in y[:DRAWN_WIDTHS]]
    except DesignError as error:
        yield "sign_flips", str(error)
        return
    signs = 2 * ((np.arange(2**G)[:, None] >> np.arange(G)) & 1) - 1
    p = np.stack([sign_flip_p_values(y + size, signs, added=False) for size in (0.0, *cell.effects)])
    yield "sign_flips", Found(p, np.array([end.high - end.low for end in ends]))


def _mixed(cell: Cell, drawn: Drawn, seed: int) -> Iterator[tuple[str, Found]]:
    if drawn.answers is None:
        raise DesignError(f"cell {cell.name} has no answers of patients for a mixed model")
    _, G, waves, n = drawn.answers.shape
    practice = np.repeat(np.arange(G), waves * n)
    period = np.tile(np.repeat(np.arange(waves), n), G)
    on = cell.design.treated[practice].astype(float)
    X = np.column_stack([np.ones(on.size), on, period, on * period])
    contrast = np.eye(4)[3:]
    found: dict[str, list[tuple[float, float, float]]] = {"mixed_kr": [], "mixed_practice": []}
    for given in drawn.answers:
        y = given.reshape(-1).astype(float)
        whole = mixed_model(y, X, practice=practice, period=period)
        bare = mixed_model(y, X, practice=practice)
        for name, tests in (
            ("mixed_kr", kenward_roger(whole, contrast)),
            ("mixed_practice", satterthwaite(bare, contrast)),
        ):
            found[name].append((tests.estimates[0], tests.std_errors[0], tests.df[0]))
    for name, rows in found.items():
        estimates, std_errors, df = np.array(rows).T
        yield name, _of_t(TTests(estimates, std_errors, df), cell)


_FAMILIES: dict[str, Callable[[Cell, Drawn, int], Iterator]] = {
    "changes": _changes,
    "panel": _panel,
    "staggered": _staggered,
    "single_arm": _single_arm,
    "mixed": _mixed,
}


def _of_t(tests: TTests, cell: Cell) -> Found:
    p = np.stack([tests.p_values(effect) for effect in (0.0, *cell.effects)])
    return Found(p, np.atleast_1d(tests.widths())[:T_WIDTHS])


def _listed(made: Assignments) -> np.ndarray:
    return np.concatenate(list(made.blocks()))


def _panel_of(cell: Cell, drawn: Drawn) -> tuple[np.ndarray, Any]:
    if drawn.panel is None or cell.panel is None:
        raise DesignError(f"cell {cell.name} has no panel")
    return drawn.panel, cell.panel
