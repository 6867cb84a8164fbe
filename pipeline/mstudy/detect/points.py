"""A log made ready for a decision: usable points, an even cadence, at most some hundred blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mstudy.core.series import Series

_MAX_BLOCKS = 500
_SPIKE_POINTS = 11, 21  # points of Hampel's filter, in logs of fewer and of more rows than ...
_LONG_LOG = 500  # ... this
_DENSE_RATIO = 3.0  # gaps shorter than the usual one by this factor are a dense stretch


@dataclass(frozen=True)
class Usable:
    """The usable points of a log, in order: steps and log curvature, (n_points,)."""

    steps: Series
    log_curvature: Series


@dataclass(frozen=True)
class Coarse:
    """Block medians. values: (n_blocks,); edges: (n_blocks + 1,), block k holds the points edges[k]..edges[k + 1]."""

    values: Series
    edges: NDArray[np.int64]


def usable_points(steps: NDArray[np.int64], curvature: Series, loss: Series) -> Usable:
    """Return the points with a positive finite curvature, before the loss explodes; each argument (n_rows,)."""
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(curvature) & (curvature > 0) & (np.arange(len(loss)) < _explosion(loss))
    return Usable(steps[usable].astype(np.float64), np.log(curvature[usable]))


def _explosion(loss: Series) -> int:
    """Return the index from which the loss stays above its first value, or is not finite, to the end."""
    below = np.flatnonzero(loss <= loss[0])
    return int(below[-1]) + 1 if len(below) else len(loss)


def coarsen(points: Usable) -> Coarse:
    """Join points into at most 500 blocks of even cadence, free of oscillation of period 2."""
    edges = _even_cadence(points.steps)
    y = without_period_two(without_spikes(points.log_curvature))
    size = -(-(len(edges) - 1) // _MAX_BLOCKS)
    edges = np.append(edges[:-1][::size], edges[-1])
    return Coarse(_block_medians(y, edges), edges)


def without_spikes(y: Series) -> Series:
    """Level lone outliers: Hampel's filter, 11 or 21 points, 5 robust standard deviations; (n,) to (n,)."""
    points = _SPIKE_POINTS[len(y) >= _LONG_LOG]
    half = points // 2
    windows = sliding_window_view(np.pad(y, half, mode="reflect"), points)
    median = np.sort(windows, axis=1)[:, half]
    spread = np.sort(np.abs(windows - median[:, None]), axis=1)[:, half]
    level: Series = np.where(np.abs(y - median) > 5 * 1.4826 * spread, median, y)
    return level


def without_period_two(y: Series) -> Series:
    """Average with weights 1/4, 1/2, 1/4, which remove an alternating series; the ends take their neighbour's share."""
    padded = np.concatenate([y[1:2], y, y[-2:-1]])
    return padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4


def _even_cadence(steps: Series) -> NDArray[np.int64]:
    """Return edges that join the rows of a dense stretch until a usual gap has passed; else one block a point.

    The usual gap of an octave of steps is the one that a random step, not a random row, of it falls into.
    """
    gaps = np.diff(steps)
    octave = np.log2(steps[:-1] + 1).astype(int)
    usual = np.empty_like(gaps)
    for each in np.unique(octave):
        inside = octave == each
        order = np.sort(gaps[inside])
        usual[inside] = order[np.searchsorted(order.cumsum(), order.sum() / 2)]
    if not (dense := gaps * _DENSE_RATIO < usual).any():
        return np.arange(len(steps) + 1)
    edges, passed = [0], 0.0
    for i, gap in enumerate(gaps.tolist()):
        passed += gap
        if not dense[i] or passed >= usual[i]:
            edges.append(i + 1)
            passed = 0.0
    return np.array([*edges, len(steps)])


def _block_medians(y: Series, edges: NDArray[np.int64]) -> Series:
    sizes = np.diff(edges)
    if (sizes == 1).all():
        return y
    padded = np.full((len(sizes), sizes.max()), np.inf)
    row = np.repeat(np.arange(len(sizes)), sizes)
    padded[row, np.arange(len(y)) - np.repeat(edges[:-1], sizes)] = y
    padded.sort(axis=1)
    rows = np.arange(len(sizes))
    medians: Series = (padded[rows, (sizes - 1) // 2] + padded[rows, sizes // 2]) / 2
    return medians
