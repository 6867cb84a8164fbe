"""What is fitted beside a rise: the noise before and after it, a slope, and what its level does afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series, median
from mstudy.detect.rise.noise import RiseNoise, fit_side, independent_noise, spread
from mstudy.detect.rise.shapes import Grid

_FEWEST_SWINGS = 8  # points after the rise that an alternation is told from
_SURE_ALTERNATION = 3.0  # standard errors of a mean alternation that is one
_RELAXATIONS_POINTS = (8.0, 40.0)  # time constants of what the level does after a rise
_RELAXED_SHARE = 0.3  # of the height: standard deviation of each relaxation before it is seen
_SHAPE_ERROR = 0.03  # of the height: what even the best of the shapes misses, at least
_FEWEST_POINTS_OF_A_LINE = 30


@dataclass(frozen=True)
class Context:
    """columns: (n_columns, n_points), fitted beside a shape. penalty: (n_columns,), of each column's coefficient."""

    noise: RiseNoise
    columns: Series
    penalty: Series


def first_context(window: Series, low: float, high: float) -> Context:
    """Assume independent noise, and a line: nothing is known yet but that the middle lies between two points."""
    before, after = window[: max(int(low), 4)], window[min(int(high), len(window) - 4) :]
    noise = independent_noise(max(spread(before), spread(after), 1e-9), len(window))
    return Context(noise, _line(len(window)), np.zeros(2))


def next_context(window: Series, further: tuple[Series, Series], grid: Grid, best: int) -> Context:
    """Estimate, from what a shape leaves, the noise on either side of its middle, and what its level does afterwards.

    window: (n_points,). further: values before and after the window that tell of the noise.
    """
    shape, index = grid.shapes[best], np.arange(len(window))
    low, high = shape < 0.05, shape > 0.95
    before = median(window[low]) if low.any() else float(window[0])
    after = median(window[high]) if high.any() else float(window[-1])
    height = abs(after - before)
    residual = window - before - (after - before) * shape
    swing = _alternation(residual, high)
    swings = swing * _signs(len(window)) * (index >= grid.end[best] - 0.5)
    is_first = index < grid.middle[best]
    earlier = np.concatenate([further[0] - before, residual[is_first]])
    beyond = further[1] - after - swing * _signs(len(window) + len(further[1]))[len(window) :]
    later = np.concatenate([(residual - swings)[~is_first], beyond])
    sides = [fit_side(_without_line(side)) for side in (earlier, later)]
    first, second, scale = (np.where(is_first, sides[0][k], sides[1][k]) for k in range(3))
    noise = RiseNoise(first, second, np.maximum(scale, 1e-6 + _SHAPE_ERROR * height))
    columns, penalty = _afterwards(index - grid.end[best], height)
    if swing:
        columns, penalty = [*columns, swings], [*penalty, 0.0]
    return Context(noise, np.vstack([_line(len(window)), *columns]), np.array([0.0, 0.0, *penalty]))


def _line(n: int) -> Series:
    return np.vstack([np.ones(n), np.arange(n) / n])


def _signs(n: int) -> Series:
    return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)


def _alternation(residual: Series, high: NDArray[np.bool_]) -> float:
    """Return the amplitude of period 2 on the new level; 0 where the noise could make it."""
    swings = (residual * _signs(len(residual)))[high]
    if len(swings) < _FEWEST_SWINGS:
        return 0.0
    mean = median(swings)
    return mean if abs(mean) * len(swings) ** 0.5 > _SURE_ALTERNATION * max(spread(swings), 1e-9) else 0.0


def _afterwards(since: Series, height: float) -> tuple[list[Series], list[float]]:
    """Return a quick and a slow relaxation, which cost the more the larger they are against the height."""
    columns = [-np.expm1(-np.maximum(since, 0.0) / constant) for constant in _RELAXATIONS_POINTS]
    return columns, [1 / (_RELAXED_SHARE * height + 1e-9)] * len(columns)


def _without_line(values: Series) -> Series:
    """Return what a line leaves, outliers aside; a few values tell of no line."""
    n = len(values)
    if n < _FEWEST_POINTS_OF_A_LINE:
        return values
    x = np.arange(n) - (n - 1) / 2
    middle, limit = median(values), 3 * max(spread(values), 1e-9)
    slope = float(x @ np.clip(values, middle - limit, middle + limit)) / float(x @ x)
    return values - x * slope
