"""Parting: the step from which log L_SGD - log L_SGDM of a pair moves away and stays away.

A gate over the seeds of a cell decides whether the cell parts at all; a hinge fitted to each pair says when.
Method and limits: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mstudy.events.series import Series, block_bootstrap
from mstudy.params import Compare

PARTED, NONE, DIVERGED, INSUFFICIENT = "parted", "none", "diverged", "insufficient"
SGDM_AHEAD, SGD_AHEAD = "sgdm", "sgd"
_MIN_POINTS = 20
_LATE_SHARE = 0.2  # of the steps: where the gate looks


@dataclass(frozen=True)
class LossCurve:
    """steps (n_rows,), loss (n_rows,) positive and finite, the step of divergence or None."""

    steps: NDArray[np.int64]
    loss: Series
    diverged_step: int | None


@dataclass(frozen=True)
class Pair:
    """One seed of a cell."""

    sgd: LossCurve
    sgdm: LossCurve


@dataclass(frozen=True)
class Parting:
    """The verdict on one pair. ahead: who has the lower loss afterwards. [step_low, step_high]: 95 % interval."""

    status: str
    ahead: str | None = None
    step: float | None = None
    step_low: float | None = None
    step_high: float | None = None


def find_partings(
    pairs: Sequence[Pair], momentum: float, compare: Compare, rng: np.random.Generator
) -> tuple[list[Parting], float | None]:
    """The partings of one cell's pairs, in their order, and the p-value of its gate.

    Gate: t test over seeds that the late gap lies within the margin. A pair in which a run diverged has parted at
    the divergence; such pairs do not enter the gate. The p-value is None with fewer than two others.
    """
    gaps = [None if _diverged(pair) else gap_curve(pair, momentum) for pair in pairs]
    late = np.array([_late_mean(*gap) for gap in gaps if gap is not None])
    p_value, ahead = _gate(late, compare.parting_margin)
    partings = []
    for pair, gap in zip(pairs, gaps, strict=True):
        if gap is None:
            partings.append(_parted_by_divergence(pair))
        elif p_value is None or len(gap[0]) < _MIN_POINTS:
            partings.append(Parting(INSUFFICIENT))
        elif p_value > compare.alpha:
            partings.append(Parting(NONE))
        else:
            partings.append(_onset(*gap, ahead, rng))
    return partings, p_value


def gap_curve(pair: Pair, momentum: float) -> tuple[Series, Series]:
    """Steps of SGD and the gap log L_SGD(t) - log L_SGDM(t + lag), (n_points,) each; lag = mu / (1 - mu) updates.

    SGDM trails SGD by that lag while its velocity builds up; this is no parting. The first two lags are left out.
    """
    lag = momentum / (1 - momentum)
    steps = pair.sgd.steps.astype(np.float64)
    shared = (steps >= 2 * lag) & (steps + lag <= pair.sgdm.steps[-1])
    steps = steps[shared]
    sgdm = np.interp(steps + lag, pair.sgdm.steps, np.log(pair.sgdm.loss))
    return steps, np.log(pair.sgd.loss[shared]) - sgdm


def _diverged(pair: Pair) -> bool:
    return pair.sgd.diverged_step is not None or pair.sgdm.diverged_step is not None


def _parted_by_divergence(pair: Pair) -> Parting:
    """At the first divergence; nobody is ahead when both diverge."""
    step_of = {
        SGDM_AHEAD: (pair.sgd.diverged_step, pair.sgd),
        SGD_AHEAD: (pair.sgdm.diverged_step, pair.sgdm),
    }
    found = {ahead: (step, curve) for ahead, (step, curve) in step_of.items() if step is not None}
    step, curve = min(found.values(), key=lambda item: item[0])
    ahead = next(iter(found)) if len(found) == 1 else None
    return Parting(DIVERGED, ahead, float(step), float(min(curve.steps[-1], step)), float(step))


def _late_mean(steps: Series, gap: Series) -> float:
    if len(steps) == 0:
        return 0.0
    return float(gap[steps >= (1 - _LATE_SHARE) * steps[-1]].mean())


def _gate(late: Series, margin: float) -> tuple[float | None, str]:
    """P under |mean late gap| <= margin, one-sided t over seeds at the margin nearest; and who is ahead."""
    if len(late) < 2:
        return None, SGDM_AHEAD
    mean, error = late.mean(), max(late.std(ddof=1) / len(late) ** 0.5, 1e-12)
    p_value = float(stats.t.sf((abs(mean) - margin) / error, len(late) - 1))
    return min(1.0, 2 * p_value), SGDM_AHEAD if mean > 0 else SGD_AHEAD


def _onset(steps: Series, gap: Series, ahead: str, rng: np.random.Generator, n_resamples: int = 199) -> Parting:
    """Onset of a hinge, exponential towards a plateau or (slowest rate) nearly linear, by least squares.

    Every onset at a logged point and every rate is tried; the interval refits block-resampled residuals and is at
    least one logged point either side.
    """
    shapes, onsets = _hinges(steps)
    fits = shapes @ gap
    best = int((fits**2).argmax())
    fitted = gap.mean() + fits[best] * shapes[best]
    draws = fitted + block_bootstrap(gap - fitted, n_resamples, rng)
    resampled = onsets[((shapes @ draws.T) ** 2).argmax(axis=0)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    index = int(np.searchsorted(steps, onsets[best]))
    beside = steps[max(index - 1, 0)], steps[min(index + 1, len(steps) - 1)]
    return Parting(PARTED, ahead, float(onsets[best]), float(min(low, beside[0])), float(max(high, beside[1])))


def _hinges(steps: Series) -> tuple[Series, Series]:
    """Centred unit-norm hinges 1 - exp(-(t - onset)+ / scale), (n_hinges, n_points), and the onset of each.

    Centred and normalised, so that a product with a series is its least-squares coefficient beside an intercept.
    """
    candidates = steps[1:-3]
    scales = (steps[-1] - steps[0]) * np.geomspace(0.005, 2.0, 9)
    onset, scale = (grid.ravel()[:, None] for grid in np.meshgrid(candidates, scales, indexing="ij"))
    shapes = -np.expm1(-np.maximum(steps[None, :] - onset, 0.0) / scale)
    shapes -= shapes.mean(axis=1, keepdims=True)
    return shapes / np.linalg.norm(shapes, axis=1, keepdims=True), onset[:, 0]
