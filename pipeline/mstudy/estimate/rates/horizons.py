"""The threshold, had training stopped earlier."""

from __future__ import annotations

import polars as pl

from mstudy.compare.horizon_losses import _GROUP
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.thresholds import threshold_row
from mstudy.pairs.rate_lines import lines_of
from mstudy.tables.contracts import HORIZONS


def estimate_horizons(runs: pl.DataFrame, losses: pl.DataFrame, margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """One row per line and horizon (tables.HORIZONS): the thresholds of tables.HORIZON_LOSSES."""
    rows = []
    for (horizon,), part in losses.group_by("horizon", maintain_order=True):
        then = runs.drop("final_loss", "diverged_step").join(part, on="run_id")
        steps = {row[:-1]: row[-1] for row in then.select(*_GROUP, "horizon_step").unique().iter_rows()}
        for line in lines_of(then, margins):
            step = steps[tuple(line.keys[name] for name in _GROUP)]
            rows.append(threshold_row(line, margins, estimate) | {"horizon": horizon, "horizon_step": step})
    return HORIZONS.frame(rows)
