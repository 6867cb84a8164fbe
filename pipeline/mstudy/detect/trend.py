"""The trend of a run: a cubic spline, stiff unless the run asks for another one, and what a jump adds to it.

Progressive sharpening is often fastest at the start (Cohen et al. 2021, section 3). A spline with knots even in time
leaves such a start for a jump; one with knots even in the logarithm of time does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline

from mstudy.core.series import Series, median
from mstudy.detect.significant_jumps import significant_jumps, whiten, whitening_taps

_PENALTY = 2.0  # times ln n a degree of freedom (1 is BIC) that the larger of two models must gain
_JUMP_DEGREES = 2  # degrees of freedom of a jump: its time and its height
_EARLIEST_SHARE = 0.05  # of the run: until there early knots are about even in time, then in its logarithm
_LEVEL = 8  # points that the level on a side of a jump is measured over, at most


@dataclass(frozen=True)
class _Kind:
    """A spline. degrees: of freedom; the more, the more of a jump it follows. early: knots in the logarithm of time."""

    degrees: int
    early: bool = False


@dataclass(frozen=True)
class _Model:
    """trend: (n_columns, n). jumps: (n_jumps, n), those beyond doubt beside this trend."""

    trend: Series
    jumps: Series

    @property
    def columns(self) -> Series:
        return np.vstack([self.trend, self.jumps])

    @property
    def degrees(self) -> int:
        return len(self.trend) + _JUMP_DEGREES * len(self.jumps)


_STIFF, _EARLY, _FLEXIBLE, _EARLY_FLEXIBLE = _Kind(5), _Kind(6, early=True), _Kind(8), _Kind(8, early=True)


def trend_and_jumps(y: Series, spans: Sequence[tuple[int, int]]) -> tuple[Series, Series]:
    """Return columns of the trend, (n_columns, n), and of the jumps beyond doubt, (n_jumps, n).

    y: (n,). spans: about where (start, end) each jump may be.
    """
    kept, flexible = _model(y, _STIFF, spans), _FLEXIBLE
    early = _model(y, _EARLY, spans)
    if _earns(y, early, kept):
        kept, flexible = early, _EARLY_FLEXIBLE
    if _earns(y, _Model(_spline(len(y), flexible), kept.jumps), kept):
        kept = _model(y, flexible, spans)
    return kept.trend, kept.jumps


def _model(y: Series, kind: _Kind, spans: Sequence[tuple[int, int]]) -> _Model:
    trend = _spline(len(y), kind)
    return _Model(trend, significant_jumps(y, trend, spans))


def _earns(y: Series, other: _Model, kept: _Model) -> bool:
    """Return whether the other model leaves less of y's dependent residual, by more than its degrees must earn."""
    taps, n = whitening_taps(y, other.columns), len(y)
    gain = n * math.log(max(_left(y, kept.columns, taps), 1e-300) / max(_left(y, other.columns, taps), 1e-300))
    return gain > _PENALTY * (other.degrees - kept.degrees) * math.log(n)


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
def _spline(n: int, kind: _Kind) -> Series:
    """Make cubic B-splines, (degrees, n), with knots even in time or, early, in its logarithm."""
    inner = np.linspace(0, 1, kind.degrees - 2)
    knots = np.concatenate([[0.0] * 3, inner, [1.0] * 3])
    time = np.linspace(0, 1, n)
    if kind.early:
        time = np.log1p(time / _EARLIEST_SHARE) / math.log1p(1 / _EARLIEST_SHARE)
    basis: Series = BSpline.design_matrix(time, knots, 3).toarray().T
    return basis
