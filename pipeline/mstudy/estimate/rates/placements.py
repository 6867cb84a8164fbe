"""Cells below and above the threshold, each seed's placed by the threshold of the other seeds.

A threshold estimated from a cell's own seeds moves with their noise: a cell that came out low is placed below, where it
looks equivalent. Left out of the threshold, a seed says of its cells what an independent one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np
import polars as pl

from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import GridStatus, Side
from mstudy.estimate.rates.thresholds import Crossing, find_threshold
from mstudy.pairs.rate_lines import Line, Mask
from mstudy.pairs.seed_tests import p_greater_rows, t_interval_rows
from mstudy.tables.contracts import PLACEMENTS


def place_cells(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """Return one row per cell and side on which at least one of its seeds is placed (tables.PLACEMENTS)."""
    rows = []
    for line in lines:
        for side, placed in _sides(line, margins, estimate).items():
            rows += _rows(line, side, placed, margins, estimate)
    return PLACEMENTS.frame(rows)


def _sides(line: Line, margins: Margins, estimate: Estimate) -> dict[Side, Mask]:
    """Return for each side which seed's value counts there, (n_rates, n_seeds)."""
    sides = {side: np.zeros(line.ratio.shape, dtype=bool) for side in (Side.BELOW, Side.ABOVE)}
    for k, others in line.without_each_seed():
        low, high = _span(find_threshold(others, margins, estimate, min_seeds=max(2, estimate.min_seeds - 1)))
        sides[Side.BELOW][:, k], sides[Side.ABOVE][:, k] = line.eta_ef < low, line.eta_ef > high
    # Where both diverge in half of the pairs, the cell lies beyond what either can train at.
    tied = (line.sgd_diverged & line.sgdm_diverged).sum(axis=1) * 2 >= np.maximum(line.n, 1)
    usable = ~np.isnan(line.ratio) & ~tied[:, None]
    return {side: placed & usable for side, placed in sides.items()}


def _span(threshold: Crossing) -> tuple[float, float]:
    """Return the two rates below and above which cells are placed."""
    match threshold.status:
        case GridStatus.INSUFFICIENT:
            return 0.0, np.inf
        case GridStatus.ABOVE_GRID:
            return np.inf, np.inf
        case GridStatus.BELOW_GRID:
            return 0.0, 0.0
        case GridStatus.ESTIMATED:
            assert threshold.ci_low is not None and threshold.ci_high is not None
            return threshold.ci_low, threshold.ci_high
        case _:
            assert_never(threshold.status)


def _rows(line: Line, side: Side, placed: Mask, margins: Margins, estimate: Estimate) -> list[dict[str, object]]:
    """Return the cells of one side, tested on the values of the seeds placed there.

    What interpolation may be wrong by is taken off every margin and added to both ends of the interval.
    """
    error = line.error[:, None]
    values = np.where(placed, line.ratio, np.nan)
    compared = np.where(line.sgd_diverged & line.sgdm_diverged, np.nan, values)
    margin = margins.advantage
    equivalence = np.maximum(p_greater_rows(-compared - error, -margin), p_greater_rows(compared - error, -margin))
    tests = {
        "equivalence_p": equivalence,
        "superiority_p": p_greater_rows(values - error, margin),
        "inferiority_p": p_greater_rows(-values - error, margin),
    }
    mean, low, high = t_interval_rows(values, estimate.alpha)
    columns = {"log_ratio": mean, "ci_low": low - line.error, "ci_high": high + line.error} | tests
    return [
        line.keys
        | {"eta_ef": float(line.eta_ef[k]), "side": side, "matched": line.matched[k], "n_seeds": int(placed[k].sum())}
        | {name: None if np.isnan(column[k]) else float(column[k]) for name, column in columns.items()}
        for k in range(len(placed))
        if placed[k].any()
    ]
