"""Abrupt sharpening: a lasting jump of the directional curvature of one run, or an honest "none".

On log curvature. ruptures proposes change points; the effect filter (a rise by a stated factor that lasts) and a
bootstrap of the run's own trend and noise decide. Method and limits: docs/methods.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import ruptures
from numpy.typing import NDArray

from mstudy.events.series import Series, block_bootstrap, long_run_sd, rolling_rise, smooth
from mstudy.params import Detect

DETECTED, NONE, TOO_SHORT, NO_CURVATURE = "detected", "none", "too_short", "no_curvature"
_MIN_SIDE = 4  # points that a level needs on its side of a change


@dataclass(frozen=True)
class Sharpening:
    """The verdict on one run.

    step: time of the jump, the middle of its rise; [step_low, step_high]: 95 % interval, at least one logged point
    either side. jump: curvature after / before. p_value: of a rise as large under the run's own trend and noise,
    None where nothing rose by the factor. followup_step: last step at which a jump could have been seen.
    n_points: logged points used.
    """

    status: str
    n_points: int
    step: float | None = None
    step_low: float | None = None
    step_high: float | None = None
    jump: float | None = None
    p_value: float | None = None
    followup_step: float | None = None


def find_sharpening(
    steps: NDArray[np.int64], curvature: Series, loss: Series, detect: Detect, rng: np.random.Generator
) -> Sharpening:
    """Find the first abrupt sharpening of a run.

    steps, curvature, loss: (n_rows,), the log in order; NaN curvature means not measured. A non-positive curvature
    has no logarithm and is left out; so is the explosive tail of a run whose loss ends above where it began.
    """
    if not np.isfinite(curvature).any():
        return Sharpening(NO_CURVATURE, 0)
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(curvature) & (curvature > 0) & (np.arange(len(loss)) < _explosion(loss))
    n_usable = int(usable.sum())
    if n_usable < detect.min_points:
        return Sharpening(TOO_SHORT, n_usable)
    # Means of neighbours: at the edge of stability curvature alternates with period 2.
    y = _neighbour_means(np.log(curvature[usable]))
    times = _neighbour_means(steps[usable].astype(np.float64))
    width = max(2 * _MIN_SIDE, len(y) // 50)
    followup = float(times[len(y) - width])
    candidate = _first_lasting_rise(y, width, detect)
    if candidate is None:
        return Sharpening(NONE, n_usable, followup_step=followup)
    rise = _rise_at(y, candidate, width)
    p_value = _p_value(y, candidate, rise, width, detect.resamples, rng)
    if p_value > detect.alpha:
        return Sharpening(NONE, n_usable, p_value=p_value, followup_step=followup)
    middle, low, high = _locate(y, candidate, width, detect.resamples, rng)
    step, step_low, step_high = np.interp([middle, low, high], np.arange(len(times)), times).tolist()
    return Sharpening(DETECTED, n_usable, step, step_low, step_high, math.exp(rise), p_value, followup)


def _neighbour_means(values: Series) -> Series:
    return (values[1:] + values[:-1]) / 2


def _explosion(loss: Series) -> int:
    """Index from which the loss stays above its first value to the end."""
    below = np.flatnonzero(loss <= loss[0])
    return int(below[-1]) + 1


def _first_lasting_rise(y: Series, width: int, detect: Detect) -> int | None:
    """The first proposed change at which y rises by the jump factor and keeps the stated share of the rise."""
    for change in _propose(y, width):
        if change > len(y) - width:  # nobody can say that it lasts
            break
        rise = _rise_at(y, change, width)
        if rise < math.log(detect.jump_factor):
            continue
        before = np.median(y[max(0, change - width) : change])
        last_start = min(change + 3 * width, len(y) - width)
        later = [np.median(y[start : start + width]) for start in range(change, last_start + 1)]
        if min(later) - before >= detect.lasting_share * rise:
            return change
    return None


def _propose(y: Series, width: int) -> list[int]:
    """Change points of the mean, in order: exact search in C (ruptures KernelCPD, linear kernel).

    The penalty is 4 sigma^2 ln n with a long-run sigma of what a running mean leaves. It hardly matters: the filter
    behind it decides.
    """
    sigma = long_run_sd(y - smooth(y, 2 * width + 1))
    penalty = max(4 * sigma**2 * math.log(len(y)), 1e-9)  # a noiseless series has no sigma, and the search needs one
    search = ruptures.KernelCPD(kernel="linear", min_size=_MIN_SIDE).fit(y[:, None])
    # ruptures ends its list with n_points, which is no change.
    return [int(change) for change in search.predict(pen=penalty)[:-1]]


def _rise_at(y: Series, change: int, width: int) -> float:
    after, before = y[change : change + width], y[max(0, change - width) : change]
    return float(np.median(after) - np.median(before))


def _p_value(y: Series, change: int, rise: float, width: int, n_resamples: int, rng: np.random.Generator) -> float:
    """P(largest rise of a run with this trend and noise but no jump >= rise), by bootstrap; never below 1/(B + 1).

    The largest rise anywhere is the reference, so the whole run counts as one test.
    """
    flat = y - np.where(np.arange(len(y)) >= change, rise, 0.0)
    trend = smooth(flat, 4 * width + 1)
    null = trend + block_bootstrap(flat - trend, n_resamples, rng)
    exceed = int((rolling_rise(null, width).max(axis=1) >= rise).sum())
    return (1 + exceed) / (n_resamples + 1)


def _locate(
    y: Series, change: int, width: int, n_resamples: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Middle of the rise and its 95 % interval, as (fractional) indices.

    Least absolute deviations over every ramp (onset, end) near the candidate; the interval resamples the residuals
    of the fit and is widened to one point either side.
    """
    first, last = max(0, change - 2 * width), min(len(y), change + 2 * width)
    window = y[first:last]
    centre = change - first
    ramps, middles = _ramps(len(window), centre, width)
    before, after = np.median(window[: max(centre - 1, 1)]), np.median(window[centre + 1 :])
    models = before + (after - before) * ramps
    best = int(np.abs(models - window).sum(axis=1).argmin())
    residual = window - models[best]
    draws = models[best] + residual[rng.integers(0, len(residual), size=(n_resamples, len(residual)))]
    cost = np.abs(models[None] - draws[:, None, :]).sum(axis=2)
    resampled = middles[cost.argmin(axis=1)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    middle = float(middles[best])
    return first + middle, first + min(float(low), middle - 1), first + max(float(high), middle + 1)


def _ramps(n_points: int, centre: int, width: int) -> tuple[Series, Series]:
    """Ramps from 0 to 1, (n_ramps, n_points), onset and end within `width` of the centre; and their middles."""
    onsets, ends = np.meshgrid(np.arange(centre - width, centre + width), np.arange(1, width + 1), indexing="ij")
    onset, length = onsets.ravel()[:, None], ends.ravel()[:, None]
    ramps = np.clip((np.arange(n_points)[None, :] - onset) / length, 0.0, 1.0)
    return ramps, (onset + length / 2)[:, 0]
