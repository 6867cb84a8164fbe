"""Curves of runs without abrupt sharpening, and of those that sharpened or diverged first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

Vector = NDArray[np.float64]
SHARPENED, DIVERGED_FIRST, CENSORED = 1, 2, 0


@dataclass(frozen=True)
class Curve:
    """At each step at which a run sharpens, diverges or leaves, (n_steps,): counts, curve with interval, incidences."""

    step: Vector
    n_risk: NDArray[np.int64]
    n_events: NDArray[np.int64]
    n_diverged: NDArray[np.int64]
    n_censored: NDArray[np.int64]
    survival: Vector
    ci_low: Vector
    ci_high: Vector
    incidence_sharpening: Vector
    incidence_divergence: Vector


def survival_curve(time: Vector, event: NDArray[np.bool_], diverged: NDArray[np.bool_], z: float = 1.96) -> Curve:
    """Compute the Kaplan-Meier curve with its interval, and the incidences of Aalen and Johansen (statsmodels).

    The interval uses Greenwood's variance on the scale log(-log S). The Kaplan-Meier curve takes divergence for
    censoring: it says what would be if no run diverged, assuming that divergence says nothing of a run's sharpening.
    For the incidences, a run that diverged never sharpens. time, event, diverged: (n_runs,); an event before the
    divergence counts as the event.
    """
    cause = np.where(event, SHARPENED, np.where(diverged, DIVERGED_FIRST, CENSORED))
    steps = np.unique(time)
    counts = {kind: np.array([((time == s) & (cause == kind)).sum() for s in steps]) for kind in (0, 1, 2)}
    survival, error = _kaplan_meier(time, event, steps)
    low, high = _log_log(survival, error, z)
    sharpening, divergence = _incidences(time, cause, steps)
    return Curve(
        steps,
        np.array([(time >= s).sum() for s in steps]),
        counts[SHARPENED],
        counts[DIVERGED_FIRST],
        counts[CENSORED],
        survival,
        low,
        high,
        sharpening,
        divergence,
    )


def curve_frame(curve: Curve) -> pl.DataFrame:
    """Return one row a step; columns as in tables.SURVIVAL."""
    return pl.DataFrame(vars(curve))


def restricted_mean(time: Vector, event: NDArray[np.bool_], horizon: float) -> float:
    """Return the mean time without the event up to `horizon`: the area under the Kaplan-Meier curve."""
    if not event.any():
        return horizon
    curve = SurvfuncRight(time, event.astype(int))
    edges = np.concatenate([[0.0], np.minimum(curve.surv_times, horizon), [horizon]])
    return float((np.diff(edges) * np.concatenate([[1.0], curve.surv_prob])).sum())


def _step_function(at: Vector, steps: Vector, values: Vector, before: float) -> Vector:
    """Return the value of a step function at each of `at`."""
    return np.concatenate([[before], values])[np.searchsorted(steps, at, side="right")]


def _kaplan_meier(time: Vector, event: NDArray[np.bool_], steps: Vector) -> tuple[Vector, Vector]:
    if not event.any():
        return np.ones(len(steps)), np.zeros(len(steps))
    curve = SurvfuncRight(time, event.astype(int))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.nan_to_num(np.asarray(curve.surv_prob_se))
    return _step_function(steps, curve.surv_times, curve.surv_prob, 1.0), _step_function(
        steps, curve.surv_times, error, 0.0
    )


def _log_log(survival: Vector, error: Vector, z: float) -> tuple[Vector, Vector]:
    """Return the interval on the scale log(-log S), so within 0 and 1 (Kalbfleisch & Prentice 2002, 1.4).

    Where S is 0 or 1, both ends are S.
    """
    inside = (survival > 0) & (survival < 1)
    s = np.where(inside, survival, 0.5)
    reach = np.exp(z * error / (s * np.abs(np.log(s))))
    return np.where(inside, s**reach, survival), np.where(inside, s ** (1 / reach), survival)


def _incidences(time: Vector, cause: NDArray[np.int64], steps: Vector) -> tuple[Vector, Vector]:
    if not (cause > 0).any():
        return np.zeros(len(steps)), np.zeros(len(steps))
    with np.errstate(invalid="ignore", divide="ignore"):  # in its variance, which is not used
        fit = CumIncidenceRight(time, cause)
    curves = [*fit.cinc, np.zeros(len(fit.times))]  # no second cause: none happened
    first, second = (_step_function(steps, np.asarray(fit.times), np.asarray(c), 0.0) for c in curves[:2])
    return first, second
