"""Cells of lines with too few seeds, tested by the noise between neighbouring learning rates, and placed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import Side
from mstudy.estimate.rates.placements import span_of
from mstudy.estimate.rates.rate_noise import noise_over_rates
from mstudy.estimate.rates.thresholds import threshold_over_rates
from mstudy.pairs.rate_lines import Line
from mstudy.tables.contracts import UNREPLICATED_CELLS


def measure_over_rates(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """Return one row for each cell that compares anything (tables.UNREPLICATED_CELLS).

    Lines told apart by seeds are in no row, nor are lines of fewer than eight cells in which nothing diverged.
    """
    few = [line for line in lines if not line.is_replicated(estimate.min_seeds)]
    return UNREPLICATED_CELLS.frame([row for line in few for row in _rows(line, margins, estimate)])


def _rows(line: Line, margins: Margins, estimate: Estimate) -> list[dict[str, object]]:
    noise = noise_over_rates(line)
    if noise is None:
        return []
    low, high = span_of(threshold_over_rates(line, margins, estimate))
    margin, half = margins.advantage, noise.half_width(estimate.alpha) + line.error
    columns = {
        "log_ratio": line.mean,
        "ci_low": line.mean - half,
        "ci_high": line.mean + half,
        "equivalence_p": noise.p_equivalent(line.mean, margin - line.error),
        "superiority_p": noise.p_greater(line.mean, margin + line.error),
        "inferiority_p": noise.p_greater(-line.mean, margin + line.error),
    }
    return [
        line.keys
        | {"eta_ef": float(line.eta_ef[k]), "side": _side(float(line.eta_ef[k]), low, high)}
        | {"matched": line.matched[k], "n_seeds": int(line.n[k]), "freedom": noise.freedom}
        | {name: float(column[k]) for name, column in columns.items()}
        for k in np.flatnonzero(line.compared)
    ]


def _side(eta_ef: float, low: float, high: float) -> Side | None:
    if eta_ef < low:
        return Side.BELOW
    return Side.ABOVE if eta_ef > high else None
