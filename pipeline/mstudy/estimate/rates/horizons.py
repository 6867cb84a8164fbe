"""The threshold that would have been found if training had stopped earlier."""

from __future__ import annotations

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.thresholds import threshold_row
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import HORIZONS
from mstudy.tables.table import HORIZON_GROUP


def estimate_horizons(
    runs: pl.DataFrame, losses: pl.DataFrame, margins: Margins, estimate: Estimate, scale: Scale = Scale.LOG
) -> pl.DataFrame:
    """Return the thresholds of tables.HORIZON_LOSSES, one row per line and horizon (tables.HORIZONS).

    losses: as `in_units` returns them.
    """
    rows = []
    for (horizon,), part in losses.group_by("horizon", maintain_order=True):
        stopped_runs = runs.drop("final_loss", "diverged_step").join(part, on="run_id")
        steps = {row[:-1]: row[-1] for row in stopped_runs.select(*HORIZON_GROUP, "horizon_step").unique().iter_rows()}
        for line in rate_lines(stopped_runs, margins, scale):
            step = steps[tuple(line.keys[name] for name in HORIZON_GROUP)]
            rows.append(threshold_row(line, margins, estimate) | {"horizon": horizon, "horizon_step": step})
    return HORIZONS.frame(rows)
