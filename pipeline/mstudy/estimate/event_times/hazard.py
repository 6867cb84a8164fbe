"""The hazard of abrupt sharpening of SGDM against SGD: Cox's model, with Firth's penalty where it has no estimate."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg

from mstudy.core.statuses import HazardBy
from mstudy.estimate.event_times.firth import firth_hazard_ratio
from mstudy.estimate.event_times.swap_test import PairedTimes

_MAX_LOG_HAZARD_RATIO = 15.0  # an estimate beyond is on its way to infinity


@dataclass(frozen=True)
class HazardRatio:
    """The hazard of SGDM against SGD with its interval. by: how it was estimated; None: not to be had."""

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    by: HazardBy | None = None


def hazard_ratio(times: PairedTimes, alpha: float = 0.05) -> HazardRatio:
    """Estimate the hazard ratio: Cox, stratified by cell, clustered by pair; with Firth's penalty where that has none.

    Where one side has no event, or all events order the sides alike, Cox's likelihood rises for ever.
    """
    if times.event.any(axis=0).all() and (found := _cox(times, alpha)) is not None:
        return HazardRatio(*found, HazardBy.COX)
    penalised = firth_hazard_ratio(times, alpha)
    return HazardRatio() if penalised is None else HazardRatio(*penalised, HazardBy.FIRTH)


def _cox(times: PairedTimes, alpha: float) -> tuple[float, float, float] | None:
    """Return the hazard ratio with its interval; None where there is no finite estimate."""
    # A cell without an event has no say in Cox's likelihood.
    kept = times.where(np.isin(times.cell, times.cell[times.event.any(axis=1)]))
    momentum = np.tile([0.0, 1.0], len(kept.time))
    pair, cell = np.repeat(np.arange(len(kept.time)), 2), np.repeat(kept.cell, 2)
    model = PHReg(kept.time.ravel(), momentum[:, None], status=kept.event.ravel().astype(int), strata=cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation shows as an estimate without bounds, handled below
        fit = model.fit()
        # statsmodels answers NaN for runs that leave before the first event of their cell; their score is zero. Its own
        # `groups` would make the whole variance NaN of them.
        scores = np.nan_to_num(fit.score_residuals[:, 0])
    clustered = np.bincount(pair, scores)
    n = len(clustered)
    inverse = float(fit.cov_params()[0, 0])
    error = inverse * np.sqrt((clustered**2).sum() * n / (n - 1)) if n > 1 else np.inf
    estimate, half = float(fit.params[0]), stats.norm.ppf(1 - alpha / 2) * error
    if not np.isfinite(half) or half == 0 or abs(estimate) > _MAX_LOG_HAZARD_RATIO:
        return None
    return float(np.exp(estimate)), float(np.exp(estimate - half)), float(np.exp(estimate + half))
