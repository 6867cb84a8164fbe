"""Cells below and above the threshold, each seed's placed by the threshold of the other seeds.

A threshold estimated from a cell's own seeds moves with their noise: a cell that came out low is placed below, where it
looks equivalent. Left out of the threshold, a seed says of its cells what an independent one would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from mstudy.inference.lines import Line, Mask
from mstudy.inference.seeds import p_equivalent, p_greater, p_less, t_interval
from mstudy.inference.thresholds import ABOVE_GRID, BELOW_GRID, INSUFFICIENT, Crossing, find_threshold
from mstudy.params import Estimate, Margins
from mstudy.tables import PLACEMENTS

BELOW, ABOVE = "below", "above"


def place_cells(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """One row per cell and side on which at least one of its seeds is placed (tables.PLACEMENTS)."""
    rows = []
    for line in lines:
        for side, placed in _sides(line, margins, estimate).items():
            rows += [_row(line, k, side, placed[k], margins, estimate) for k in range(len(placed)) if placed[k].any()]
    return PLACEMENTS.frame(rows)


def _sides(line: Line, margins: Margins, estimate: Estimate) -> dict[str, Mask]:
    """For each side, which seed's value counts there, (n_rates, n_seeds)."""
    sides = {side: np.zeros(line.ratio.shape, dtype=bool) for side in (BELOW, ABOVE)}
    for k, others in line.without_each_seed():
        low, high = _span(find_threshold(others, margins, estimate, min_seeds=max(2, estimate.min_seeds - 1)))
        sides[BELOW][:, k], sides[ABOVE][:, k] = line.eta_ef < low, line.eta_ef > high
    # Where both diverge in half of the pairs, the cell lies beyond what either can train at.
    tied = (line.sgd_diverged & line.sgdm_diverged).sum(axis=1) * 2 >= np.maximum(line.n, 1)
    usable = ~np.isnan(line.ratio) & ~tied[:, None]
    return {side: placed & usable for side, placed in sides.items()}


def _span(found: Crossing) -> tuple[float, float]:
    """Below the first and above the second a cell is placed."""
    if found.status == INSUFFICIENT:
        return 0.0, np.inf
    if found.status in (ABOVE_GRID, BELOW_GRID):
        return (np.inf, np.inf) if found.status == ABOVE_GRID else (0.0, 0.0)
    assert found.ci_low is not None and found.ci_high is not None  # of an estimated one
    return found.ci_low, found.ci_high


def _row(line: Line, k: int, side: str, placed: Mask, margins: Margins, estimate: Estimate) -> dict[str, object]:
    sample = line.ratio[k][placed]
    interval = t_interval(sample, estimate.alpha)
    both = line.sgd_diverged[k] & line.sgdm_diverged[k]
    return line.keys | {
        "eta_ef": float(line.eta_ef[k]),
        "side": side,
        "n_seeds": len(sample),
        "log_ratio": float(sample.mean()),
        "ci_low": interval[1] if interval else None,
        "ci_high": interval[2] if interval else None,
        "equivalence_p": p_equivalent(line.ratio[k][placed & ~both], margins.advantage),
        "superiority_p": p_greater(sample, margins.advantage),
        "inferiority_p": p_less(sample, -margins.advantage),
    }
