"""Sharpening by definition: the first step from which curvature is above its stability line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.core.statuses import CrossingStatus


@dataclass(frozen=True)
class StabilityCrossing:
    """step: the first above the line, between step_low and step_high, where status is `crossed`.

    followup_step: the last step at which a crossing could have been seen.
    """

    status: CrossingStatus
    step: float | None = None
    step_low: float | None = None
    step_high: float | None = None
    followup_step: float | None = None


def find_crossing(steps: NDArray[np.int64], curvature: Series, line: float, detect: Detect) -> StabilityCrossing:
    """Find the first step from which `crossing_points` measured values in a row are above the line.

    steps, curvature: (n_rows,), NaN where not measured. Above: beyond the line less `crossing_tolerance` of it.
    """
    measured = np.isfinite(curvature)
    at, n = steps[measured].astype(np.float64), detect.crossing_points
    if len(at) == 0:
        return StabilityCrossing(CrossingStatus.NO_CURVATURE)
    if len(at) < n:
        return StabilityCrossing(CrossingStatus.TOO_SHORT)
    above = curvature[measured] > line * (1 - detect.crossing_tolerance)
    all_above = sliding_window_view(above, n).all(axis=1)
    last = float(at[-n])
    if not all_above.any():
        return StabilityCrossing(CrossingStatus.NONE, followup_step=last)
    first = int(all_above.argmax())
    return StabilityCrossing(CrossingStatus.CROSSED, float(at[first]), *_bounds(at, first), last)


def _bounds(at: Series, first: int) -> tuple[float, float]:
    """Return the last measured step before the crossing, and half-way to the next after it.

    At the start or the end of the log half of the only gap stands for the gap that is not there.
    """
    gaps = np.diff(at)
    if len(gaps) == 0:
        return float(at[first]), float(at[first])
    low = at[first - 1] if first else max(0.0, at[0] - gaps[0] / 2)
    return float(low), float(at[first] + gaps[min(first, len(gaps) - 1)] / 2)
