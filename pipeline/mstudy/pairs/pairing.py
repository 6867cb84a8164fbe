"""Pairs: one SGD run and one SGDM run that differ only in momentum, at equal effective learning rate."""

from __future__ import annotations

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.optimizers import SGD
from mstudy.pairs.loss_units import ratio
from mstudy.tables.table import BLOCK, CELL

OF_A_SIDE = ("run_id", "diverged_step", "final_loss", "last_step")
PAIR_COLUMNS = (*CELL, "seed", "eta_ef_per_sample", *(f"{s}_{name}" for s in ("sgdm", "sgd") for name in OF_A_SIDE))


def main_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Return tables.RUNS without twins (runs repeated but for chance) and branches (runs intervened upon)."""
    return runs.filter(pl.col("twin_of").is_null() & pl.col("branch_of").is_null())


def pair_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Pair the runs: one row a pair with the cell's keys, seed, and of each side run_id, status and final_loss.

    runs: tables.RUNS. A run without a partner is in no row, nor is a twin or a branch.
    """
    runs = main_runs(runs)
    key = [*BLOCK, "seed"]
    sgd = runs.filter(pl.col("optimizer") == SGD)
    sgdm = runs.filter(pl.col("optimizer") != SGD)
    left = sgdm.select(*CELL, "seed", "eta_ef_per_sample", pl.col(OF_A_SIDE).name.prefix("sgdm_"))
    right = sgd.select(*key, pl.col(OF_A_SIDE).name.prefix("sgd_"))
    return left.join(right, on=key).select(PAIR_COLUMNS).sort(*CELL, "seed")


def log_ratio(pairs: pl.DataFrame, diverged_log_ratio: float, scale: Scale = Scale.LOG) -> pl.Series:
    """Return log L_SGD / L_SGDM of the final losses, or their difference, (n_pairs,).

    A diverged run is beaten, not dropped: plus or minus `diverged_log_ratio`; null where both diverged.
    """
    sgd_gone, sgdm_gone = pl.col("sgd_diverged_step").is_not_null(), pl.col("sgdm_diverged_step").is_not_null()
    capped = (
        pl.when(sgd_gone & sgdm_gone)
        .then(None)
        .when(sgd_gone)
        .then(diverged_log_ratio)
        .when(sgdm_gone)
        .then(-diverged_log_ratio)
        .otherwise(ratio(pl.col("sgd_final_loss"), pl.col("sgdm_final_loss"), scale))
        # A finished run cannot be further ahead than one whose rival diverged.
        .clip(-diverged_log_ratio, diverged_log_ratio)
    )
    return pairs.select(capped.alias("log_ratio")).to_series()
