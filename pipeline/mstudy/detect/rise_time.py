"""When a rise happened, at full resolution: the posterior of its onset, midpoint and end.

Every onset and length on a grid, linear and exponential in time, uniform prior over onsets and over log length;
Student-t noise with an autocorrelation and a scale of its own on either side. Heights are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series

_NOISE_DEGREES = 4.0  # degrees of freedom of the noise
_CONTEXT_POINTS = 40  # points of context on either side of where the rise may be
_SCALE_FACTOR = 0.6  # the scale is that of all innovations; the Student-t's own variance is smaller
_RISE_LENGTHS = (1.0, 1.5, 2, 3, 4, 6, 8, 11, 16, 22, 30, 44, 60)
LONGEST = _RISE_LENGTHS[-1]
_COARSE_ONSETS = 48  # onsets tried before the place is known to a few points
_STEP = 0.5  # points between onsets
_LIKELIHOOD_POWER = 0.75  # of the log likelihood: the noise is estimated and no shape is exact
_N_ROUNDS = 2  # of noise and shape, each from the other


@dataclass(frozen=True)
class Rise:
    """Indices (as real numbers). onset, middle, end: of the likeliest shape.

    [low, high]: interval of the middle; spread: width of its central 80 %.
    """

    onset: float
    middle: float
    end: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class _Grid:
    """shapes: (n_shapes, n_points) from 0 to 1; onset, middle, end: (n_shapes,)."""

    shapes: Series
    onset: Series
    middle: Series
    end: Series


@dataclass(frozen=True)
class _Noise:
    """Autocorrelation and scale of the innovations at each point, (n_points,)."""

    phi: Series
    scale: Series


def locate(times: Series, y: Series, first: int, last: int, slack: int, bounds: tuple[int, int], level: float) -> Rise:
    """Locate the rise between the points `first` and `last`, give or take `slack` points.

    times, y: (n,). bounds: points outside belong to other changes. level: of the interval.
    """
    longest = min(max(4.0, 2.0 * (last - first) + slack), LONGEST)
    place = float(first - slack), float(last + slack)
    if place[1] - place[0] > _COARSE_ONSETS * _STEP:
        place = _narrowed(times, y, place, longest, bounds)
    start, stop = _surroundings(place, longest, bounds)
    clock, window, low, high = times[start:stop], y[start:stop], place[0] - start, place[1] - start
    grid = _grid(clock, _onsets(low, high, len(window)), longest)
    noise = _first_noise(window, low, high)
    for _ in range(_N_ROUNDS):
        noise = _noise_beside(window, grid, _posterior(window, grid, noise)[1])
    weights, best = _posterior(window, grid, noise)
    low_end, high_end, early, late = _quantiles(grid.middle, weights, [(1 - level) / 2, (1 + level) / 2, 0.1, 0.9])
    onset, middle, end = (float(values[best]) for values in (grid.onset, grid.middle, grid.end))
    low_end, high_end = min(low_end, middle - 0.25), max(high_end, middle + 0.25)
    return Rise(start + onset, start + middle, start + end, start + low_end, start + high_end, late - early)


def _narrowed(
    times: Series, y: Series, place: tuple[float, float], longest: float, bounds: tuple[int, int]
) -> tuple[float, float]:
    """Bound the onset by a coarse grid of onsets and independent noise: its central 98 %, with two steps of slack."""
    start, stop = _surroundings(place, longest, bounds)
    clock, window, low, high = times[start:stop], y[start:stop], place[0] - start, place[1] - start
    onsets = _onsets(low, high, len(window))
    grid = _grid(clock, onsets, longest, rough=True)
    weights, _ = _posterior(window, grid, _first_noise(window, low, high))
    low, high = _quantiles(grid.onset, weights, [0.01, 0.99])
    slack = 2 * (onsets[1] - onsets[0])
    return max(low - slack, 0.0) + start, min(high + slack, len(window) - 2.0) + start


def _surroundings(place: tuple[float, float], longest: float, bounds: tuple[int, int]) -> tuple[int, int]:
    """Return the points that tell when a rise is whose onset lies between two places."""
    low, high = place
    return max(bounds[0], int(low - _CONTEXT_POINTS - longest / 2)), min(
        bounds[1], int(high + _CONTEXT_POINTS + longest)
    )


def _onsets(low: float, high: float, n: int) -> Series:
    """Return some _COARSE onsets from low to high, half a point or some points apart."""
    step = max(_STEP, round((high - low) / _COARSE_ONSETS / _STEP) * _STEP)
    return np.arange(max(low, 0.0), min(high, n - 2.0) + step, step)


def _grid(clock: Series, onsets: Series, longest: float, rough: bool = False) -> _Grid:
    """Make rises linear and exponential in time. Onsets and lengths are in points, what lies between them in steps.

    rough: every other length and linear ones alone, which is enough to see about where a rise is.
    """
    lengths = np.array([length for length in _RISE_LENGTHS if length <= longest])[:: 2 if rough else 1]
    index = np.arange(len(clock), dtype=np.float64)
    onset, length = (a.ravel() for a in np.meshgrid(onsets, lengths, indexing="ij"))
    end = onset + length
    t_onset, t_end = np.interp(onset, index, clock), np.interp(end, index, clock)
    span = np.maximum(t_end - t_onset, 1e-9)
    curved = np.flatnonzero(length > 1) if not rough else np.empty(0, dtype=int)
    shapes = np.empty((len(onset) + len(curved), len(clock)))
    linear, exponential = shapes[: len(onset)], shapes[len(onset) :]
    np.subtract(clock, t_onset[:, None], out=linear)
    np.maximum(linear, 0.0, out=linear)
    linear *= (1 / span)[:, None]
    np.multiply(linear[curved], -3.0, out=exponential)
    np.expm1(exponential, out=exponential)
    np.negative(exponential, out=exponential)
    np.minimum(linear, 1.0, out=linear)
    middle = np.interp(t_onset + span / 2, clock, index)
    slow = np.interp((t_onset + span * np.log(2) / 3)[curved], clock, index)
    return _Grid(
        shapes,
        np.concatenate([onset, onset[curved]]),
        np.concatenate([middle, slow]),
        np.concatenate([end, end[curved]]),
    )


def _first_noise(window: Series, low: float, high: float) -> _Noise:
    before, after = window[: max(int(low), 4)], window[min(int(high), len(window) - 4) :]
    scale = max(_spread(before), _spread(after), 1e-9)
    return _Noise(np.zeros(len(window)), np.full(len(window), scale))


def _spread(values: Series) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _whiten(y: Series, noise: _Noise) -> Series:
    """Return innovations over their scale: (..., n) to (..., n); the first point keeps the variance of the series."""
    white = np.empty_like(y)
    white[..., 0] = y[..., 0] * np.sqrt(1 - noise.phi[0] ** 2)
    np.multiply(y[..., :-1], -noise.phi[1:], out=white[..., 1:])
    white[..., 1:] += y[..., 1:]
    white *= 1 / noise.scale
    return white


def _posterior(window: Series, grid: _Grid, noise: _Noise) -> tuple[Series, int]:
    """Weight of each shape and the index of the likeliest. The heights are least squares on winsorised innovations."""
    line = np.vstack([np.ones(len(window)), np.arange(len(window)) / len(window)])
    base = np.linalg.qr(_whiten(line, noise).T)[0].T
    shapes = _whiten(grid.shapes, noise)
    shapes -= (shapes @ base.T) @ base
    shapes /= np.maximum(np.sqrt(np.einsum("ij,ij->i", shapes, shapes)), 1e-9)[:, None]
    target = _whiten(window, noise)
    pseudo = target
    for _ in range(2):
        height = shapes @ pseudo
        best = int(np.where(height > 0, height, 0.0).argmax())
        fitted = height[best] * shapes[best] + (base @ pseudo) @ base
        pseudo = fitted + np.clip(target - fitted, -2.5, 2.5)
    height = np.maximum(shapes @ pseudo, 0.0)
    residual = shapes
    residual *= -height[:, None]
    residual += target - (base @ pseudo) @ base
    likelihood = -_LIKELIHOOD_POWER * (_NOISE_DEGREES + 1) / 2 * _sum_of_logs(residual)
    weights = np.exp(likelihood - likelihood.max())
    return weights / weights.sum(), int(likelihood.argmax())


def _sum_of_logs(residual: Series) -> Series:
    """Sum over each row of log(1 + residual^2 / (_TAIL _SHRINK)), (m, n) to (m,); logs of products of 8 are cheaper."""
    np.square(residual, out=residual)
    residual *= 1 / (_NOISE_DEGREES * _SCALE_FACTOR)
    residual += 1
    full = residual.shape[1] // 8 * 8
    products = residual[:, :full].reshape(len(residual), -1, 8).prod(axis=2)
    sums: Series = np.log(products).sum(axis=1) + np.log(residual[:, full:]).sum(axis=1)
    return sums


def _noise_beside(window: Series, grid: _Grid, best: int) -> _Noise:
    """Estimate autocorrelation and scale before and after the middle of a shape, from what the shape leaves."""
    shape, index = grid.shapes[best], np.arange(len(window))
    low, high = shape < 0.05, shape > 0.95
    before = np.median(window[low]) if low.any() else window[0]
    after = np.median(window[high]) if high.any() else window[-1]
    residual = window - before - (after - before) * shape
    first = index < grid.middle[best]
    sides = [_fit_ar(residual[first]), _fit_ar(residual[~first])]
    phi = np.where(first, sides[0][0], sides[1][0])
    scale = np.where(first, sides[0][1], sides[1][1])
    return _Noise(phi, np.maximum(scale, 1e-6 + 1e-3 * abs(after - before)))


def _fit_ar(residual: Series) -> tuple[float, float]:
    """Estimate the autocorrelation, bias corrected (Kendall 1954), and the scale of the innovations."""
    n = len(residual)
    if n < 6:
        return 0.0, max(float(np.abs(residual).mean()), 1e-9) if n else 1e-9
    limit = 3 * max(_spread(residual), 1e-9)
    r = np.clip(residual - np.median(residual), -limit, limit)
    phi = float(r[1:] @ r[:-1]) / max(float(r @ r), 1e-12)
    phi = min(max(phi + (1 + 3 * phi) / n, -0.95), 0.95)
    innovations = r[1:] - phi * r[:-1]
    return phi, float(np.sqrt(np.mean(np.minimum(np.abs(innovations), 2.5 * _spread(innovations) + 1e-9) ** 2)))


def _quantiles(positions: Series, weights: Series, levels: list[float]) -> list[float]:
    """Return quantiles of weighted positions, each spread over the half point around it."""
    places, inverse = np.unique(np.round(positions * 2) / 2, return_inverse=True)
    mass = np.bincount(inverse.ravel(), weights)
    edges = np.concatenate([places - 0.25, places[-1:] + 0.25])
    cumulative = np.concatenate([[0.0], mass.cumsum()])
    return [float(np.interp(level, cumulative / cumulative[-1], edges)) for level in levels]
