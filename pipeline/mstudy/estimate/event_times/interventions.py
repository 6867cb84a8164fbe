"""Interventions: what becomes of the gap of a pair when its SGD run is kept from sharpening abruptly.

A branch is a run that leaves another at the step of an intervention (`branch_of`, `intervention` in its log:
docs/log-format.md). It is compared with the other run of its parent's pair, as the parent is. A branch that went on
with momentum is compared only with the SGDM run of the same momentum. Where the intervention ends, the gaps are those
at its end (tables.BRANCH_GAPS), else the final ones.
"""

from __future__ import annotations

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import SharpeningStatus
from mstudy.pairs.loss_units import ratio
from mstudy.pairs.pairing import pair_runs
from mstudy.tables.contracts import INTERVENTIONS

_GAPS = ("gap_parent", "gap_branch")


def measure_interventions(
    runs: pl.DataFrame, sharpenings: pl.DataFrame, branch_gaps: pl.DataFrame, scale: Scale = Scale.LOG
) -> pl.DataFrame:
    """Return one row for each branch and other run of its parent's pair (tables.INTERVENTIONS); none without branches.

    branch_gaps: tables.BRANCH_GAPS. The losses of `runs` are as `in_units` returns them. A gap is null where one of its
    two runs diverged: a branch that diverged was not kept from anything.
    """
    both = _branches_in_pairs(runs, scale)
    ended = branch_gaps.select("branch_run_id", "sgd_run_id", "sgdm_run_id", *_GAPS)
    both = both.join(ended, on=("branch_run_id", "sgd_run_id", "sgdm_run_id"), how="left", maintain_order="left")
    both = both.with_columns(
        pl.when(pl.col("intervention_end").is_null()).then(f"final_{gap}").otherwise(gap).alias(gap) for gap in _GAPS
    )
    for run, name in (("parent_run_id", "sharpened_parent"), ("branch_run_id", "sharpened_branch")):
        fate = sharpenings.select(
            pl.col("run_id").alias(run),
            (pl.col("status") == SharpeningStatus.DETECTED).alias(name),
            pl.col("step").alias(f"{name}_at"),
        )
        both = both.join(fate, on=run, how="left", maintain_order="left")
    # What happened before the branching happened to both; what happens after the treatment it could not prevent.
    ends = {"sharpened_parent": "intervention_parent_end", "sharpened_branch": "intervention_end"}
    within = [
        (pl.col(name) & _lies_between(f"{name}_at", "intervention_step", end)).fill_null(False).alias(name)
        for name, end in ends.items()
    ]
    return INTERVENTIONS.frame(both.with_columns(within).select(INTERVENTIONS.schema.names()).rows(named=True))


def _branches_in_pairs(runs: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return each branch beside each pair of its parent, with the final gaps."""
    branches = runs.filter(pl.col("branch_of").is_not_null()).select(
        pl.col("branch_of").alias("parent_run_id"),
        pl.col("^intervention.*$"),
        pl.col("run_id").alias("branch_run_id"),
        pl.col("final_loss").alias("branch_final_loss"),
        pl.col("intervention_momentum").is_not_null().alias("by_momentum"),
    )
    pairs = pair_runs(runs)
    sides = [
        pairs.with_columns(pl.col(side).alias("parent_run_id"), pl.lit(side == "sgdm_run_id").alias("of_sgdm"))
        for side in ("sgd_run_id", "sgdm_run_id")
    ]
    sgd, sgdm, branch = (pl.col(f"{run}_final_loss") for run in ("sgd", "sgdm", "branch"))
    of_branch = pl.when("of_sgdm").then(ratio(sgd, branch, scale)).otherwise(ratio(branch, sgdm, scale))
    return (
        pl.concat(sides)
        .join(branches, on="parent_run_id", maintain_order="left")
        .filter(pl.col("intervention_momentum").is_null() | (pl.col("intervention_momentum") == pl.col("momentum")))
        .with_columns(ratio(sgd, sgdm, scale).alias("final_gap_parent"), of_branch.alias("final_gap_branch"))
    )


def _lies_between(step: str, start: str, end: str) -> pl.Expr:
    """Return whether a step lies in a window; one without an end goes on for ever."""
    return (pl.col(step) >= pl.col(start)) & (pl.col(end).is_null() | (pl.col(step) <= pl.col(end)))
