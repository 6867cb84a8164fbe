"""Final loss of each optimizer, by learning rate: what the seeds of one optimizer reached."""

from __future__ import annotations

import polars as pl

from mstudy.pairs.pairing import main_runs
from mstudy.tables.table import LINE


def summarise_losses(runs: pl.DataFrame) -> pl.DataFrame:
    """Summarise final losses: one row per (tables.LINE, eta_ef), from tables.RUNS.

    loss: geometric mean over the seeds that finished; loss_low, loss_high: their smallest and largest; n_finished,
    n_diverged. The loss is null where every seed diverged.
    """
    finished = pl.col("final_loss").filter(pl.col("final_loss") > 0)
    return (
        main_runs(runs)
        .group_by(*LINE, "eta_ef")
        .agg(
            finished.log().mean().exp().alias("loss"),
            finished.min().alias("loss_low"),
            finished.max().alias("loss_high"),
            pl.col("final_loss").count().cast(pl.Int64).alias("n_finished"),
            pl.col("diverged_step").count().cast(pl.Int64).alias("n_diverged"),
        )
        .sort(*LINE, "eta_ef")
    )
