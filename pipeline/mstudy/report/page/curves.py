"""Curves that the page makes of logged ones: the middle of several seeds, the gap of a pair."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale
from mstudy.pairs.gap import LossCurve, Pair, gap_curve
from mstudy.pairs.loss_units import in_units
from mstudy.report.results import Results
from mstudy.tables.contracts import FINAL_LOSSES
from mstudy.tables.table import SETTING

Curve = tuple[NDArray[np.int64], NDArray[np.float64]]  # steps and values, (n_points,) each
_GRID = 120  # points at most


def median_curve(curves: list[Curve], log: bool = True) -> Curve:
    """Return median of curves that are logged at different steps, in log or as they are, at most 120 points."""
    curves = [curve for curve in curves if len(curve[0]) > 1]
    if len(curves) < 3:
        return np.array([], dtype=np.int64), np.array([])
    ends = sorted((int(steps[-1]) for steps, _ in curves), reverse=True)
    last = ends[(len(curves) + 1) // 2 - 1]
    union = np.unique(np.concatenate([steps for steps, _ in curves]))
    union = union[union <= last]
    grid = union[np.unique(np.linspace(0, len(union) - 1, _GRID).round().astype(int))]
    warped = [(steps, np.log(values) if log else values) for steps, values in curves]
    levels = [np.interp(grid, steps, values, left=np.nan, right=np.nan) for steps, values in warped]
    with np.errstate(all="ignore"):
        median = np.nanmedian(np.array(levels), axis=0)
    known = np.isfinite(median)
    return grid[known], np.exp(median[known]) if log else median[known]


def losses_in_units(
    runs: pl.DataFrame, results: Results, curves: Mapping[str, Curve], scale: Scale
) -> dict[str, LossCurve]:
    """Return the loss of each run in the unit of its setting."""
    one = runs.select(*SETTING, "run_id", pl.lit(1.0).alias("per_unit"))
    per_unit = in_units(one, results[FINAL_LOSSES], scale, "per_unit").select("run_id", "per_unit").iter_rows()
    return {run_id: _loss_curve(curves[run_id], factor, scale) for run_id, factor in per_unit}


def _loss_curve(curve: Curve, per_unit: float | None, scale: Scale) -> LossCurve:
    """Return the rows at which the loss can be compared; none where no run of its setting finished."""
    if per_unit is None:
        return LossCurve(curve[0][:0], curve[1][:0], None, scale)
    return LossCurve(curve[0], curve[1] * per_unit, None, scale)


def drawn_gap(sgd: LossCurve, sgdm: LossCurve, optimizer: str, momentum: float) -> Curve:
    """Return steps and the gap of SGD(t) to SGDM at the step as far along; nothing where the optimizer's lag is not
    known.
    """
    both = min(len(side.steps) for side in (sgd, sgdm)) > 0
    gap = gap_curve(Pair(sgd, sgdm), optimizer, momentum) if both else None
    if gap is None:
        return np.array([], dtype=np.int64), np.array([])
    return gap.steps.astype(np.int64), gap.values
