"""Sharpening by definition: the first step from which curvature stays near its stability line.

On a quadratic an eigenvalue above the line makes gradient descent diverge (Cohen et al. 2021, appendix B). Warm-up and
weight decay are ignored: with them the line is an approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.core.statuses import StabilityStatus
from mstudy.detect.points import usable_points


@dataclass(frozen=True)
class Stability:
    """step: the first from which curvature stays near its line, where status is `reached`."""

    status: StabilityStatus
    step: float | None = None


def find_stability(steps: NDArray[np.int64], curvature: Series, loss: Series, line: float, detect: Detect) -> Stability:
    """Find the first step from which a `band_share` of the points to the end are within `band_factor` of the line.

    steps, curvature, loss: (n_rows,). From that step on at least `band_points` points must follow, and the same share
    of the first `band_points` of them must be within the band: the way there does not count.
    """
    if not np.isfinite(curvature).any():
        return Stability(StabilityStatus.NO_CURVATURE)
    points = usable_points(steps, curvature, loss)
    n, least = len(points.steps), detect.band_points
    if n < max(detect.min_points, least):
        return Stability(StabilityStatus.TOO_SHORT)
    near = np.abs(points.log_curvature - np.log(line)) <= np.log(detect.band_factor)
    total = np.concatenate([[0], near.cumsum()])
    start = np.arange(n - least + 1)
    to_end = (total[-1] - total[start]) / (n - start)
    at_first = (total[start + least] - total[start]) / least
    stays = near[start] & (to_end >= detect.band_share) & (at_first >= detect.band_share)
    if not stays.any():
        return Stability(StabilityStatus.NONE)
    return Stability(StabilityStatus.REACHED, float(points.steps[stays.argmax()]))
