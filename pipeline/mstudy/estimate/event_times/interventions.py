"""Interventions: what becomes of the gap of a pair when its SGD run is kept from sharpening abruptly.

A branch is an SGD run that leaves its parent at the step of an intervention (`branch_of`, `intervention` in its log:
docs/log-format.md). It is compared with the SGDM run of the parent's pair, as the parent is. A branch that went on with
momentum is compared only with the SGDM run of the same momentum.
"""

from __future__ import annotations

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import SharpeningStatus
from mstudy.pairs.loss_units import ratio
from mstudy.pairs.pairing import pair_runs
from mstudy.tables.contracts import INTERVENTIONS


def measure_interventions(runs: pl.DataFrame, sharpenings: pl.DataFrame, scale: Scale = Scale.LOG) -> pl.DataFrame:
    """Return one row for each branch and SGDM run of its parent's pair (tables.INTERVENTIONS); none without branches.

    The losses of `runs` are as `in_units` returns them.
    A gap is null where one of its two runs diverged: a branch that diverged was not kept from anything.
    """
    branches = runs.filter(pl.col("branch_of").is_not_null()).select(
        pl.col("branch_of").alias("sgd_run_id"),
        "intervention",
        "intervention_step",
        "intervention_momentum",
        pl.col("run_id").alias("branch_run_id"),
        pl.col("final_loss").alias("branch_final_loss"),
    )
    both = (
        pair_runs(runs)
        .join(branches, on="sgd_run_id")
        .filter(pl.col("intervention_momentum").is_null() | (pl.col("intervention_momentum") == pl.col("momentum")))
        .with_columns(
            ratio(pl.col("sgd_final_loss"), pl.col("sgdm_final_loss"), scale).alias("gap_parent"),
            ratio(pl.col("branch_final_loss"), pl.col("sgdm_final_loss"), scale).alias("gap_branch"),
        )
    )
    for run, name in (("sgd_run_id", "sharpened_parent"), ("branch_run_id", "sharpened_branch")):
        fate = sharpenings.select(
            pl.col("run_id").alias(run),
            (pl.col("status") == SharpeningStatus.DETECTED).alias(name),
            pl.col("step").alias(f"{name}_at"),
        )
        both = both.join(fate, on=run, how="left")
    # What happened before the branching happened to both, and no intervention can remove it.
    later_events = [
        (pl.col(name) & (pl.col(f"{name}_at") >= pl.col("intervention_step"))).fill_null(False).alias(name)
        for name in ("sharpened_parent", "sharpened_branch")
    ]
    return INTERVENTIONS.frame(both.with_columns(later_events).select(INTERVENTIONS.schema.names()).rows(named=True))
