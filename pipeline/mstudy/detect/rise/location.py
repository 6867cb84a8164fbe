"""When a rise happened: the posterior of its middle, over every middle, length and kind of shape on a grid.

Uniform prior over middles, over log length and over kinds; Student-t innovations with an autoregression and a scale of
their own on either side. Heights are fitted, and beside them a level, a slope, what the level does after the rise and
an alternation there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series
from mstudy.detect.rise.context import Context, first_context, next_context
from mstudy.detect.rise.shapes import LONGEST, Grid, make_grid, step_between

_NOISE_DEGREES = 4.0  # degrees of freedom of the noise
_SCALE_FACTOR = 0.6  # the scale is that of all innovations; the Student-t's own variance is smaller
_CONTEXT_POINTS = 40  # points on either side of where the rise may be that tell when it is
_NOISE_POINTS = 120  # points on either side that tell what the noise is
_LIKELIHOOD_POWER = 0.58  # of the log likelihood: the noise is estimated and no shape is exact
_N_ROUNDS = 3  # of noise and shape, each from the other
_SLACK = 4.0  # points beyond what the rough grid has not ruled out that the fine one searches
_FLOOR = 0.5  # points on either side that nobody can know better


@dataclass(frozen=True)
class Rise:
    """Indices (as real numbers). middle: its median; onset, end: of the likeliest shape.

    [low, high]: interval of the middle; spread: width of its central 80 %. duration: median of the length.
    """

    onset: float
    middle: float
    end: float
    low: float
    high: float
    spread: float
    duration: float


def locate(
    times: Series, y: Series, middles: tuple[float, float], longest: float, bounds: tuple[int, int], level: float
) -> Rise:
    """Locate the rise whose middle lies between two indices and which takes at most `longest` points.

    times, y: (n,). bounds: points outside belong to other changes. level: of the interval.
    """
    longest = min(longest, LONGEST)
    low, high = middles
    if step_between(low, high) > step_between(0, 0):
        low, high = _narrowed(times, y, low, high, longest, bounds)
    start, stop = _surroundings(low, high, longest, bounds)
    clock, window = times[start:stop], y[start:stop]
    low, high = _inside(low - start, high - start, len(window))
    further = y[max(bounds[0], start - _NOISE_POINTS) : start], y[stop : min(bounds[1], stop + _NOISE_POINTS)]
    rough = make_grid(clock, low, high, longest, rough=True)
    context = first_context(window, low, high)
    weights = np.empty(0)
    for _ in range(_N_ROUNDS):
        weights, best = _posterior(window, rough, context)
        context = next_context(window, further, rough, best)
    grid = make_grid(clock, *_likely(rough.middle, weights, low, high), longest)
    weights, best = _posterior(window, grid, context)
    tails = (1 - level) / 2, (1 + level) / 2
    low_end, high_end, early, late, middle = _quantiles(grid.middle, weights, [*tails, 0.1, 0.9, 0.5])
    low_end, high_end = min(low_end, middle - _FLOOR), max(high_end, middle + _FLOOR)
    onset, end = min(float(grid.onset[best]), middle), max(float(grid.end[best]), middle)
    (duration,) = _quantiles(grid.end - grid.onset, weights, [0.5])
    return Rise(start + onset, start + middle, start + end, start + low_end, start + high_end, late - early, duration)


def _narrowed(
    times: Series, y: Series, low: float, high: float, longest: float, bounds: tuple[int, int]
) -> tuple[float, float]:
    """Bound the middle by a coarse grid and independent noise: its central 98 %, with two steps of slack."""
    start, stop = _surroundings(low, high, longest, bounds)
    window = y[start:stop]
    low, high = _inside(low - start, high - start, len(window))
    grid = make_grid(times[start:stop], low, high, longest, rough=True)
    weights, _ = _posterior(window, grid, first_context(window, low, high))
    slack = 2 * step_between(low, high)
    low, high = _quantiles(grid.middle, weights, [0.01, 0.99])
    return low - slack + start, high + slack + start


def _likely(middles: Series, weights: Series, low: float, high: float) -> tuple[float, float]:
    """Return the part of a range that the rough grid has not ruled out: its central 99.9 %, and half as much again."""
    first, last = _quantiles(middles, weights, [0.0005, 0.9995])
    slack = _SLACK + (last - first) / 2
    return max(low, float(np.floor(first - slack))), min(high, float(np.ceil(last + slack)))


def _inside(low: float, high: float, n: int) -> tuple[float, float]:
    """Return the range to the next halves outwards, where at least a step of one point has its middle."""
    low, high = np.clip([low, high], 0.5, n - 1.5)
    return float(np.floor(2 * low) / 2), float(np.ceil(2 * high) / 2)


def _surroundings(low: float, high: float, longest: float, bounds: tuple[int, int]) -> tuple[int, int]:
    """Return the points that tell when a rise is whose middle lies between two places."""
    reach = _CONTEXT_POINTS + longest / 2
    return max(bounds[0], int(low - reach)), min(bounds[1], int(high + reach) + 1)


def _posterior(window: Series, grid: Grid, context: Context) -> tuple[Series, int]:
    """Weight of each shape, and index of the likeliest.

    The heights are least squares on winsorised innovations. A column's penalty is an observation of its own.
    """
    n = len(window)
    rows = np.hstack([context.noise.whiten(context.columns), np.diag(context.penalty)])
    base = np.linalg.qr(rows.T)[0].T
    white = context.noise.whiten(grid.shapes)
    shapes = np.zeros((len(white), n + len(rows)), dtype=white.dtype)
    shapes[:, :n] = white
    narrow = base.astype(white.dtype)
    shapes -= (white @ narrow[:, :n].T) @ narrow
    shapes /= np.maximum(np.sqrt(np.einsum("ij,ij->i", shapes, shapes)), 1e-9)[:, None]
    target = np.concatenate([context.noise.whiten(window), np.zeros(len(rows))])
    pseudo = target
    for _ in range(2):
        height = shapes @ pseudo
        best = int(np.where(height > 0, height, 0.0).argmax())
        fitted = height[best] * shapes[best] + (base @ pseudo) @ base
        pseudo = fitted + np.clip(target - fitted, -2.5, 2.5)
    height = np.maximum(shapes @ pseudo, 0.0)
    residual = shapes
    residual *= -height[:, None].astype(residual.dtype)
    residual += (target - (base @ pseudo) @ base).astype(residual.dtype)
    likelihood = -_LIKELIHOOD_POWER * (_NOISE_DEGREES + 1) / 2 * _sum_of_logs(residual)
    weights = np.exp(likelihood - likelihood.max())
    return weights / weights.sum(), int(likelihood.argmax())


def _sum_of_logs(residual: Series) -> Series:
    """Sum over each row of log(1 + residual^2 / (degrees of freedom x scale)); logs of products of 8 are cheaper."""
    np.square(residual, out=residual)
    residual *= 1 / (_NOISE_DEGREES * _SCALE_FACTOR)
    residual += 1
    full = residual.shape[1] // 8 * 8
    products = residual[:, :full:8].astype(np.float64)
    for k in range(1, 8):
        products *= residual[:, k:full:8]
    sums: Series = np.log(products).sum(axis=1) + np.log(residual[:, full:]).sum(axis=1)
    return sums


def _quantiles(positions: Series, weights: Series, levels: list[float]) -> list[float]:
    """Return quantiles of weighted positions, each spread over the half point around it."""
    places, inverse = np.unique(np.round(positions * 2) / 2, return_inverse=True)
    mass = np.bincount(inverse.ravel(), weights)
    edges = np.concatenate([places - 0.25, places[-1:] + 0.25])
    cumulative = np.concatenate([[0.0], mass.cumsum()])
    return [float(np.interp(level, cumulative / cumulative[-1], edges)) for level in levels]
