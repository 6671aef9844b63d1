"""The procedures whose error rates are measured: names, titles, where they apply, entries of the plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from analyses.calibration_cells import Cell


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
    Procedure("cr3", "CR3, t(G - 1)", "changes", False, _robust("CR3", df="clusters")),
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
    Procedure("ar1_cr2", "AR(1) covariance of years, REML, CR2, Bell-McCaffrey", "serial", False),
    Procedure("ar1_satterthwaite", "AR(1) covariance of years, REML, Satterthwaite", "serial", False),
    Procedure("sdid_placebo", "synthetic DiD, placebo standard error, normal", "synthetic", False),
    Procedure("sdid_jackknife", "synthetic DiD, jackknife standard error, normal", "synthetic", False),
    Procedure(
        "sdid_permutation", "synthetic DiD, studentised, entries permuted, 499 draws",
        "synthetic_permutation", False,
    ),
    Procedure("cs_analytic", "Callaway-Sant'Anna, analytic, normal", "staggered"),
    Procedure("cs_permutation", "Callaway-Sant'Anna, studentised, entries permuted", "staggered"),
    Procedure(
        "cs_permutation_tertiles",
        "Callaway-Sant'Anna, studentised, entries permuted within list-size tertiles", "staggered",
    ),
    Procedure("imputation_analytic", "imputation (BJS), analytic, normal", "staggered", False),
    Procedure(
        "imputation_permutation", "imputation (BJS), studentised, entries permuted", "staggered", False
    ),
    Procedure(
        "imputation_permutation_tertiles",
        "imputation (BJS), studentised, entries permuted within list-size tertiles", "staggered", False,
    ),
    Procedure("sun_abraham", "Sun-Abraham, CR1, t(G - 1)", "staggered", False),
    Procedure("sun_abraham_cr2", "Sun-Abraham, CR2, Bell-McCaffrey", "staggered", False),
    Procedure("twfe_cr1", "plain two-way fixed effects, CR1, t(G - 1)", "staggered", False),
    Procedure(
        "single_t", "single arm, t", "single_arm", plan={"inference": {"procedure": "ols"}, "adjust": []}
    ),
    Procedure(
        "sign_flips", "single arm, sign flips", "single_arm",
        plan={"inference": {"procedure": "sign_flip"}, "adjust": []},
    ),
    Procedure("mixed_kr", "mixed model, practice and practice x period, Kenward-Roger", "mixed"),
    Procedure("mixed_practice", "mixed model, practice only, Satterthwaite", "mixed", False),
    Procedure("gee_mancl_derouen", "GEE, exchangeable, Mancl-DeRouen, Bell-McCaffrey t", "gee", False),
    Procedure(
        "gee_kauermann_carroll", "GEE, exchangeable, Kauermann-Carroll, Bell-McCaffrey t", "gee", False
    ),
    Procedure(
        "gee_mancl_derouen_residual", "GEE, exchangeable, Mancl-DeRouen, t(practices - coefficients)", "gee",
        False,
    ),
    Procedure(
        "gee_robust", "GEE, exchangeable, plain sandwich, t(practices - coefficients)", "gee", False
    ),
    Procedure("ppml_cr1", "rate ratio (PPML with exposure), CR1, t(G - 1)", "counts", False),
    Procedure("ppml_cr2_bm", "rate ratio (PPML with exposure), CR2, Bell-McCaffrey", "counts", False),
    Procedure("rate_permutation", "rate ratio, studentised, permuted", "counts", False),
    Procedure(
        "rate_permutation_tertiles", "rate ratio, studentised, permuted within list-size tertiles", "counts",
        False,
    ),
)  # fmt: skip


def procedures_of(cell: Cell) -> tuple[Procedure, ...]:
    """The procedures that apply to a cell."""
    return tuple(procedure for procedure in PROCEDURES if procedure.family in cell.families)
