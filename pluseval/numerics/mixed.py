"""Linear mixed model with nested random intercepts: practice, practice x period, patient.

    y = X beta + u(practice) + v(practice, period) + w(patient) + e,      all independent and normal

A shock that hits a whole practice in one year is shared by its patients: a model with practice and patient
intercepts only treats it as noise of single patients and halves the standard error of the group x period
effect. So the practice x period intercept belongs in the model. It does not make the periods of a practice
serially correlated; with more than two periods use one change per practice, or ``covariance.panel_gls``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.mixed_likelihood import EFFECTS, Criterion, criterion, pieces
from pluseval.numerics.mixed_sums import NestedSums, codes, nested_sums

MAX_STEPS = 100
CONVERGED = 1e-12  # fall in the criterion that the next Newton step promises


@dataclass(frozen=True)
class LinearMixedModel:
    """A fitted model; its tests and intervals are in ``mixed_inference``.

    Attributes
    ----------
    names : tuple of str
        Of the k columns of X.
    coefficients : (k,) array
    covariance : (k, k) array
        Model-based, at the estimated variances (lme4's ``vcov``).
    std_errors : (k,) array
    effects : tuple of str
        The random intercepts in the model, from ``EFFECTS``.
    variances : dict of str to float
        Per effect, and ``"residual"``.
    boundary : tuple of str
        Effects whose variance is estimated as zero. The fit is valid; the effect is not supported by the
        data.
    reml : bool
    criterion : float
        The REML criterion, or minus twice the log-likelihood (ML).
    n_rows : int
    n_groups : dict of str to int
    ratios : (c,) array
        Variances over the residual variance, in the order of ``effects``.
    sums : NestedSums
        What the data contributed.
    practices, periods, patients : arrays or None
        The labels in the order in which ``blups`` gives predictions.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    effects: tuple[str, ...]
    variances: dict[str, float]
    boundary: tuple[str, ...]
    reml: bool
    criterion: float
    n_rows: int
    n_groups: dict[str, int]
    ratios: np.ndarray
    sums: NestedSums
    practices: np.ndarray
    periods: np.ndarray | None
    patients: np.ndarray | None

    @property
    def std_errors(self) -> np.ndarray:
        """Model-based standard errors at the estimated variances."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def log_likelihood(self) -> float:
        """Minus half the criterion (for REML the restricted log-likelihood, as in lme4)."""
        return -0.5 * self.criterion

    @property
    def n_parameters(self) -> int:
        """Coefficients and variances."""
        return self.coefficients.size + len(self.effects) + 1

    @property
    def aic(self) -> float:
        """Akaike's criterion, as lme4 counts parameters."""
        return self.criterion + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows, as in lme4."""
        return self.criterion + np.log(self.n_rows) * self.n_parameters

    @property
    def icc(self) -> dict[str, float]:
        """Correlations of two rows of one practice.

        ``practice``: same practice, other period and patient. ``practice_period``: same practice and
        period, other patient. ``patient``: same patient, other period.
        """
        total = sum(self.variances.values())
        practice = self.variances.get("practice", 0.0)
        shared = {"practice": practice}
        for effect in self.effects:
            if effect != "practice":
                shared[effect] = practice + self.variances[effect]
        return {effect: value / total for effect, value in shared.items()}

    def blups(self) -> dict[str, np.ndarray]:
        """Best linear unbiased predictions: practice (P,), practice_period (P, T) and patient (N,)."""
        return _blups(self)


def mixed_model(
    y: np.ndarray,
    x: np.ndarray,
    *,
    practice: np.ndarray,
    period: np.ndarray | None = None,
    patient: np.ndarray | None = None,
    reml: bool = True,
    names: tuple[str, ...] | None = None,
    patient_within_practice: bool = False,
) -> LinearMixedModel:
    """Fit a linear mixed model with random intercepts by (restricted) maximum likelihood.

    You get coefficients, standard errors, variances and the criterion, as ``lme4::lmer`` gives them.
    Assumes normal, independent effects with constant variances, and that practices are a sample from a
    population of practices. Time and memory grow linearly in rows.

    Parameters
    ----------
    y : (n,) array
        Outcome, in its own units.
    x : (n, k) array
        Fixed effects, the constant included. The group itself must be a column beside its interaction with
        time.
    practice : (n,) array
        Labels of practices: a random intercept each.
    period : (n,) array, optional
        Labels of periods. Given: a random intercept per practice and period.
    patient : (n,) array, optional
        Labels of patients. Given: a random intercept per patient, nested in practice.
    reml : bool
        Restricted (default) or ordinary maximum likelihood.
    names : tuple of str, optional
        Of the columns of X.
    patient_within_practice : bool
        What to do with a patient seen in two practices: True gives the patient one intercept in each of them
        (patient-within-practice), False (default) refuses.

    Raises
    ------
    DesignError
        Missing values, collinear columns, an outcome that does not vary, fewer than two practices, an
        effect that cannot be told from the residual (one row per group), or patients in two practices.

    References
    ----------
    Bates, Maechler, Bolker, Walker (2015), doi:10.18637/jss.v067.i01; equals ``lme4::lmer``. Gilmour,
    Thompson, Cullis (1995), doi:10.2307/2533274 (average information).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0])
    >>> model = mixed_model(y, np.ones((6, 1)), practice=np.array([1, 1, 2, 2, 3, 3]))
    >>> float(model.coefficients[0].round(6))
    4.5
    >>> {k: float(round(v, 4)) for k, v in model.variances.items()}
    {'practice': 8.0833, 'residual': 1.8333}
    """
    grouping = _grouping(y, practice, period, patient, patient_within_practice=patient_within_practice)
    sums = nested_sums(
        y, x, practice=grouping.practice, period=grouping.period, patient=grouping.patient, names=names
    )
    effects = tuple(
        e for e, used in zip(EFFECTS, (patient is not None, period is not None, True), strict=True) if used
    )
    groups = {
        "patient": grouping.patients.size if grouping.patients is not None else 0,
        "practice_period": int(np.sum(sums.cell_rows > 0)),
        "practice": grouping.practices.size,
    }
    n_groups = {e: groups[e] for e in effects}
    _refuse_confounded(sums, n_groups)
    ratios, best = fit_ratios(sums, effects=effects, reml=reml)
    back = np.linalg.inv(sums.basis)
    covariance = best.sigma2 * back @ best.unscaled @ back.T
    columns = np.asarray(x).shape[1]
    # the sums hold an orthonormal basis of X: give the restricted likelihood back its |X'X|
    scale = 2.0 * float(np.log(np.abs(np.diag(sums.basis))).sum()) if reml else 0.0
    return LinearMixedModel(
        names=tuple(names) if names else tuple(f"x{j}" for j in range(columns)),
        coefficients=sums.ols + back @ best.coefficients,
        covariance=(covariance + covariance.T) / 2.0,
        effects=effects,
        variances={e: float(best.sigma2 * r) for e, r in zip(effects, ratios, strict=True)}
        | {"residual": best.sigma2},
        boundary=tuple(e for e, r in zip(effects, ratios, strict=True) if r == 0.0),
        reml=reml,
        criterion=best.value + scale,
        n_rows=sums.n_rows,
        n_groups=n_groups,
        ratios=ratios,
        sums=sums,
        practices=grouping.practices,
        periods=grouping.periods,
        patients=grouping.patients,
    )


@dataclass(frozen=True)
class _Grouping:
    """Codes per row and the labels that they stand for."""

    practice: np.ndarray
    period: np.ndarray | None
    patient: np.ndarray | None
    practices: np.ndarray
    periods: np.ndarray | None
    patients: np.ndarray | None


def _grouping(
    y: np.ndarray,
    practice: np.ndarray,
    period: np.ndarray | None,
    patient: np.ndarray | None,
    *,
    patient_within_practice: bool,
) -> _Grouping:
    rows = np.shape(y)
    for name, labels in (("practice", practice), ("period", period), ("patient", patient)):
        if labels is None:
            continue
        labels = np.asarray(labels)
        if labels.shape != rows:
            raise DesignError(f"{name} must hold one label per row, {rows}; found {labels.shape}")
        if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
            raise DesignError(
                f"{int(np.sum(~np.isfinite(labels)))} labels of {name} are missing; drop these rows"
            )
    practices, practice = codes(practice)
    if practices.size < 2:
        raise DesignError("a random intercept per practice needs at least 2 practices, found 1")
    periods = patients = None
    if period is not None:
        periods, period = codes(period)
    if patient is not None:
        patients, patient = codes(patient)
        home = np.empty(patients.size, dtype=practice.dtype)
        home[patient] = practice
        moved = np.bincount(patient[home[patient] != practice], minlength=patients.size) > 0
        if np.any(moved) and not patient_within_practice:
            raise DesignError(
                f"{int(moved.sum())} patients are seen in more than one practice, so "
                "patients are not nested in "
                "practices; pass patient_within_practice=True to give them an intercept "
                "in each practice, or keep "
                "each patient's first practice"
            )
        if np.any(moved):
            pairs, patient = codes(practice.astype(np.int64) * patients.size + patient)
            patients = patients[pairs % patients.size]
    return _Grouping(practice, period, patient, practices, periods, patients)


def _refuse_confounded(sums: NestedSums, n_groups: dict[str, int]) -> None:
    """Refuse an effect with one group per row, or with the same groups as another effect."""
    for effect, n in n_groups.items():
        if n == sums.n_rows:
            raise DesignError(
                f"every {effect} has one row, so its variance cannot be told from the "
                "residual; leave the effect out"
            )
    if n_groups.get("practice_period") == n_groups["practice"]:
        raise DesignError(
            "every practice has one period, so practice x period and practice are the "
            "same effect; leave period out"
        )
    if n_groups.get("patient") == n_groups["practice"]:
        raise DesignError(
            "every practice has one patient, so the two effects are the same; leave patient out"
        )
    if "patient" in n_groups and n_groups["patient"] == n_groups.get("practice_period"):
        same = np.allclose(sums.sum_products.sum(axis=0), _cell_products(sums), rtol=1e-12, atol=1e-12)
        if same:
            raise DesignError("patients and practice-periods are the same groups; leave one of them out")


def _cell_products(sums: NestedSums) -> np.ndarray:
    flat = sums.cell_sums.reshape(-1, sums.cell_sums.shape[-1])
    return flat.T @ flat


def fit_ratios(sums: NestedSums, *, effects: tuple[str, ...], reml: bool) -> tuple[np.ndarray, Criterion]:
    """Variance ratios that minimise the criterion over ratios >= 0, by safeguarded Newton steps.

    A second start is tried where a ratio ends at zero, because the criterion can have a second minimum
    inside.

    Raises
    ------
    DesignError
        No minimum within ``MAX_STEPS`` steps.
    """
    ratios, best = _descend(sums, np.full(len(effects), 0.1), effects=effects, reml=reml)
    if np.any(ratios == 0.0):
        again = np.where(ratios == 0.0, 1.0, np.maximum(ratios, 0.01))
        other, second = _descend(sums, again, effects=effects, reml=reml)
        if second.value < best.value - 1e-9:
            ratios, best = other, second
    return ratios, best


def _descend(
    sums: NestedSums, ratios: np.ndarray, *, effects: tuple[str, ...], reml: bool
) -> tuple[np.ndarray, Criterion]:
    def at(ratios: np.ndarray, *, derivatives: bool) -> Criterion:
        return criterion(
            pieces(sums, ratios, effects=effects, derivatives=derivatives), n_rows=sums.n_rows, reml=reml
        )

    now = at(ratios, derivatives=True)
    for _ in range(MAX_STEPS):
        free = np.append(True, (ratios > 0.0) | (now.gradient[1:] < 0.0))
        step, promised = _newton(now, now.gradient * free, free)
        if promised < CONVERGED:
            return ratios, now
        for halving in range(40):
            size = 0.5**halving
            # the residual variance is part of the step; dividing by it keeps the ratios' scale
            moved = np.maximum((ratios + size * step[1:]) / max(1.0 + size * step[0], 0.1), 0.0)
            moved[~free[1:]] = 0.0
            trial = at(moved, derivatives=False)
            if trial.value < now.value:
                break
        else:
            return ratios, now  # no fall to be had: rounding has the last word
        ratios, now = moved, at(moved, derivatives=True)
    raise DesignError(
        f"the variances did not settle in {MAX_STEPS} steps; leave out the effect with the smallest variance "
        f"({dict(zip(effects, np.round(ratios, 6).tolist(), strict=True))} times the residual)"
    )


def _newton(now: Criterion, gradient: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Newton step on the free components, with the average curvature where the observed one bends down."""
    keep = np.flatnonzero(free)
    block = np.ix_(keep, keep)
    step = np.zeros(gradient.size)
    # the average curvature of one variance can be zero where the observed one is not, and the other way round
    scale = np.sqrt(np.maximum(np.diag(now.average), np.abs(np.diag(now.observed)))[keep])
    for curvature in (now.observed[block], now.average[block]):
        values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
        if values[0] > 1e-10:
            break
    values = np.maximum(values, 1e-8)
    turned = vectors.T @ (gradient[keep] / scale)
    step[keep] = -(vectors @ (turned / values)) / scale
    return step, float(0.5 * np.sum(turned**2 / values))


def _blups(model: LinearMixedModel) -> dict[str, np.ndarray]:
    sums = model.sums
    # coefficients in the basis of the sums: X beta = basis @ (R (beta - ols)) + X ols
    contrast = np.append(-sums.basis @ (model.coefficients - sums.ols), 1.0)
    ratio = dict(zip(model.effects, model.ratios, strict=True))
    a = ratio.get("patient", 0.0)
    n_periods = sums.cell_rows.shape[1]
    gamma = ratio.get("practice_period", 0.0) * np.eye(n_periods) + ratio["practice"]
    cell_m = sums.cell_rows[:, :, None] * np.eye(n_periods)
    cell_r = sums.cell_sums @ contrast
    if "patient" in ratio:
        shrink = a / (1.0 + a * sums.sizes)
        cell_m = cell_m - np.tensordot(shrink, sums.count_products, axes=1)
        cell_r = cell_r - np.tensordot(shrink, sums.count_sums, axes=1) @ contrast
    kernel = np.linalg.solve(np.eye(n_periods) + gamma @ cell_m, np.broadcast_to(gamma, cell_m.shape))
    fitted = np.einsum("pst,pt->ps", kernel, cell_r)  # practice + practice x period together
    scores = cell_r - np.einsum("pst,pt->ps", cell_m, fitted)
    found = {"practice": ratio["practice"] * scores.sum(axis=1)}
    if "practice_period" in ratio:
        own = ratio["practice_period"] * scores
        found["practice_period"] = np.where(sums.cell_rows > 0, own, np.nan)
    if "patient" in ratio:
        rows = sums.patient_rows.sum(axis=1)
        left = sums.patient_sums @ contrast - np.sum(
            sums.patient_rows * fitted[sums.patient_practice], axis=1
        )
        found["patient"] = a * left / (1.0 + a * rows)
    return found
