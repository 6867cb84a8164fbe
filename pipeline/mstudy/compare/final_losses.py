"""Final loss of each optimizer, by learning rate: what the seeds of one optimizer reached."""

from __future__ import annotations

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.pairs.loss_units import level, loss_at
from mstudy.pairs.pairing import main_runs
from mstudy.tables.contracts import FINAL_LOSSES
from mstudy.tables.table import LINE, SETTING


def summarise_losses(runs: pl.DataFrame, scale: Scale = Scale.LOG, units: pl.DataFrame | None = None) -> pl.DataFrame:
    """Summarise final losses: one row per (tables.LINE, eta_ef), from tables.RUNS.

    loss: mean over the seeds that finished, geometric where losses are compared by their logarithm; loss_low,
    loss_high: their smallest and largest; n_finished, n_diverged. The loss is null where every seed diverged. units:
    of runlog.rules.together.loss_fall.loss_units; without them `loss_unit` is null.
    """
    finished = pl.col("final_loss").filter(level(pl.col("final_loss"), scale).is_finite())
    by_setting = FINAL_LOSSES.frame([]).select(*SETTING, "loss_unit") if units is None else units
    return (
        main_runs(runs)
        .group_by(*LINE, "eta_ef")
        .agg(
            loss_at(level(finished, scale).mean(), scale).alias("loss"),
            finished.min().alias("loss_low"),
            finished.max().alias("loss_high"),
            pl.col("final_loss").count().cast(pl.Int64).alias("n_finished"),
            pl.col("diverged_step").count().cast(pl.Int64).alias("n_diverged"),
        )
        .join(by_setting, on=SETTING, how="left", nulls_equal=True)
        .sort(*LINE, "eta_ef")
    )
