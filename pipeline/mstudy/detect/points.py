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
_MAX_STRETCH_GAPS = 20  # usual gaps that a dense stretch at the end of a log takes, at most


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
    middle = np.sort(windows, axis=1)[:, half]
    spread = np.sort(np.abs(windows - middle[:, None]), axis=1)[:, half]
    level: Series = np.where(np.abs(y - middle) > 5 * 1.4826 * spread, middle, y)
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
    dense = gaps * _DENSE_RATIO < usual
    for first, last in _runs(dense):
        end = _end_of_log(gaps, first, last)
        usual[last:end] = usual[last - 1]
        dense[first:end] = _is_stretch(gaps, first, end, float(usual[first:last].max()))
    if not dense.any():
        return np.arange(len(steps) + 1)
    edges, passed = [0], 0.0
    for i, gap in enumerate(gaps.tolist()):
        passed += gap
        if not dense[i] or passed >= usual[i]:
            edges.append(i + 1)
            passed = 0.0
    return np.array([*edges, len(steps)])


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last + 1 of each run of true flags."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True))


def _end_of_log(gaps: Series, first: int, last: int) -> int:
    """Return where dense gaps end: at `last`, or with the log, where all of them are as dense up to there.

    An octave that holds dense gaps alone takes them for usual ones.
    """
    as_dense = gaps[last:] <= float(gaps[first:last].max())
    return len(gaps) if as_dense.all() else last


def _is_stretch(gaps: Series, first: int, last: int, usual: float) -> bool:
    """Return whether dense gaps lie between sparse ones, or end the log within some usual gaps.

    Where the cadence changes for good, rows before and after are alike: joined ones would have noise of another kind.
    """
    within = float(gaps[first:last].max()) * _DENSE_RATIO
    sparse_before = first > 0 and gaps[first - 1] > within
    short = float(gaps[first:last].sum()) < _MAX_STRETCH_GAPS * usual
    sparse_after = short if last == len(gaps) else bool(gaps[last] > within)
    return sparse_before and sparse_after


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
