"""The middle of several seeds that are logged at different steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Curve = tuple[NDArray[np.int64], NDArray[np.float64]]  # steps and values, (n_points,) each
_GRID = 120  # points at most


def median_curve(curves: list[Curve]) -> Curve:
    """Return median of curves that are logged at different steps, in log, at most 120 points."""
    curves = [curve for curve in curves if len(curve[0]) > 1]
    if len(curves) < 3:
        return np.array([], dtype=np.int64), np.array([])
    ends = sorted((int(steps[-1]) for steps, _ in curves), reverse=True)
    last = ends[(len(curves) + 1) // 2 - 1]
    union = np.unique(np.concatenate([steps for steps, _ in curves]))
    union = union[union <= last]
    grid = union[np.unique(np.linspace(0, len(union) - 1, _GRID).round().astype(int))]
    logs = [np.interp(grid, steps, np.log(values), left=np.nan, right=np.nan) for steps, values in curves]
    with np.errstate(all="ignore"):
        median = np.nanmedian(np.array(logs), axis=0)
    known = np.isfinite(median)
    return grid[known], np.exp(median[known])
