"""The trend of a run: a cubic spline, stiff unless the run asks for a more flexible one, and what a jump adds to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline

from mstudy.core.series import Series, median
from mstudy.detect.significant_jumps import significant_jumps, whiten, whitening_taps

_STIFF_DEGREES, _FLEXIBLE_DEGREES = 5, 8  # degrees of freedom: the more, the more of a jump does the trend follow
_PENALTY = 2.0  # times ln n a degree of freedom (1 is BIC) that the flexible one must gain
_LEVEL = 8  # points that the level on a side of a jump is measured over, at most


def trend_and_jumps(y: Series, spans: Sequence[tuple[int, int]]) -> tuple[Series, Series]:
    """Return columns of the trend, (n_columns, n), and of the jumps beyond doubt, (n_jumps, n).

    y: (n,). spans: about where (start, end) each jump may be.
    """
    stiff, flexible = _spline(len(y), _STIFF_DEGREES), _spline(len(y), _FLEXIBLE_DEGREES)
    jumps = significant_jumps(y, stiff, spans)
    if not _earns(y, np.vstack([flexible, jumps]), np.vstack([stiff, jumps])):
        return stiff, jumps
    return flexible, significant_jumps(y, flexible, spans)


def _earns(y: Series, more: Series, fewer: Series) -> bool:
    """Return whether more columns reduce y's dependent residual enough to earn their degrees of freedom."""
    taps, n = whitening_taps(y, more), len(y)
    gain = n * math.log(max(_left(y, fewer, taps), 1e-300) / max(_left(y, more, taps), 1e-300))
    return gain > _PENALTY * (len(more) - len(fewer)) * math.log(n)


def _left(y: Series, columns: Series, taps: Series) -> float:
    columns, y = whiten(columns, taps), whiten(y, taps)
    residual = y - columns.T @ np.linalg.lstsq(columns.T, y, rcond=None)[0]
    return float(residual @ residual)


def without_jumps(y: Series, spline: Series, jumps: Series) -> Series:
    """Return the trend that is left of y, (n,), once its jumps are taken out."""
    if len(jumps):
        y = y - _heights(y, np.vstack([spline, jumps]), jumps) @ jumps
    basis = np.linalg.qr(spline.T)[0]
    trend: Series = basis @ (basis.T @ y)
    return trend


def _heights(y: Series, columns: Series, jumps: Series) -> Series:
    """Fit the height of each jump, (n_jumps,), beside the trend, no larger than seen there, nor of the other sign.

    A flexible trend may take the jump itself, and more, if a jump the other way makes up for it.
    """
    fitted = np.linalg.lstsq(columns.T, y, rcond=None)[0][len(columns) - len(jumps) :]
    medians = _seen_heights(y, jumps)
    heights: Series = np.clip(fitted, np.minimum(medians, 0), np.maximum(medians, 0))
    return heights


def _seen_heights(y: Series, jumps: Series) -> Series:
    """Return the median of up to 8 points after each jump less that before, not beyond the next jump; (n_jumps,)."""
    moving = np.diff(jumps, axis=1) > 0
    starts = [int(row.argmax()) + 1 for row in moving]  # the first point off the old level
    ends = [len(row) - int(row[::-1].argmax()) for row in moving]  # the first on the new one
    heights = []
    for start, end in zip(starts, ends, strict=True):
        first = max([0, start - _LEVEL, *(e for e in ends if e < start)])
        last = min([end + _LEVEL, *(s for s in starts if s > end)])
        heights.append(median(y[end:last]) - median(y[first:start]))
    return np.array(heights)


@lru_cache(maxsize=128)
def _spline(n: int, freedom: int) -> Series:
    """Make cubic B-splines with even knots, (freedom, n)."""
    inner = np.linspace(0, 1, freedom - 2)
    knots = np.concatenate([[0.0] * 3, inner, [1.0] * 3])
    basis: Series = BSpline.design_matrix(np.linspace(0, 1, n), knots, 3).toarray().T
    return basis
