"""Where a rise is taken back: half of the way, in log, for a few rows, and about as abruptly as it came.

The judge of rises looks at widths of a level; a catapult that falls within a few rows is a lasting rise to it. A level
that wears off slowly was not taken back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from mstudy.core.series import Series
from mstudy.detect.points import Usable

_ROWS = 3  # of the medians, and rows that must lie below the middle of the rise
_BASE_ROWS = 8  # before the rise: its base
_FALL_LENGTHS = 3.0  # lengths of the rise that a fall takes at most, and in which the rise reaches its top
_HIGH_SHARE = 0.8  # of the rise: from the last row so high on the fall takes its time
_BEYOND_NOISE = 6.0  # robust standard deviations of what a row differs from the one before it


def fall_after(points: Usable, onset: float, step: float, end: float) -> float | None:
    """Return the step at which a rise has been taken back by half; None where it stays, or wears off.

    onset, step, end: of the rise.
    """
    steps, y = points.steps, points.log_curvature
    level = median_filter(y, _ROWS, mode="nearest")
    before = np.flatnonzero(steps <= onset)[-_BASE_ROWS:]
    after = np.flatnonzero(steps >= step)
    if not len(before) or len(after) <= _ROWS:
        return None
    took = max(end - onset, float(steps[after[0]] - steps[max(after[0] - 1, 0)]))
    near = after[: max(int((steps[after] <= step + _FALL_LENGTHS * took).sum()), _ROWS)]
    top = int(near[level[near].argmax()])
    base = float(np.median(y[before]))
    middle, high = base + (level[top] - base) / 2, base + _HIGH_SHARE * (level[top] - base)
    if level[top] - middle <= _BEYOND_NOISE * _row_noise(y):
        return None
    fallen = _first_stretch(level[top:] < middle)
    if fallen is None:
        return None
    last_high = top + int(np.flatnonzero(level[top : top + fallen] >= high)[-1])
    abrupt = steps[top + fallen] - steps[last_high] <= _FALL_LENGTHS * took
    return float(steps[top + fallen]) if abrupt else None


def _row_noise(y: Series) -> float:
    return float(1.4826 * np.median(np.abs(np.diff(y)))) / 2**0.5


def _first_stretch(below: NDArray[np.bool_]) -> int | None:
    """Return where the first stretch of enough rows begins."""
    long_enough = np.convolve(below, np.ones(_ROWS), mode="valid") == _ROWS
    return int(long_enough.argmax()) if long_enough.any() else None
