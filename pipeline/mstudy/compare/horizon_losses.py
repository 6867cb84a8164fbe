"""The threshold had training stopped earlier: at a quarter, a half and the whole of its steps.

The paper saw one epoch count alone; a threshold could be an effect of where one stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import RunStatus
from mstudy.tables.contracts import HORIZON_LOSSES
from mstudy.tables.table import HORIZON_GROUP


def losses_at_horizons(steps: pl.DataFrame, points: pl.DataFrame, scale: Scale = Scale.LOG) -> pl.DataFrame:
    """Compute the final loss as if training had ended at each horizon: one row per run and horizon.

    steps: of `horizon_steps`, or some of its runs; points: one row a logged step of these. A divergence after the
    horizon has not happened yet. Null where a run was interrupted before it.
    """
    rows = (
        points.select("run_id", "step", "loss")
        .join(steps.select("run_id", "horizon", "horizon_step", "origin"), on="run_id")
        .filter((pl.col("step") <= pl.col("horizon_step")) & pl.col("loss").is_finite())
    )
    trained = pl.col("step").max().over("run_id", "horizon") - pl.col("origin")
    late = rows.filter(pl.col("step") >= pl.col("origin") + 0.9 * trained)
    losses = late.group_by("run_id", "horizon").agg(_mean(pl.col("loss"), scale).alias("loss"))
    joined = steps.join(losses, on=["run_id", "horizon"], how="left")
    diverged = pl.col("status").eq(RunStatus.DIVERGED) & (
        pl.col("diverged_step").fill_null(0) <= pl.col("horizon_step")
    )
    reached = (pl.col("last_step") >= pl.col("horizon_step")) | pl.col("status").is_in(
        [RunStatus.COMPLETED, RunStatus.DIVERGED]
    )
    return (
        joined.with_columns(
            pl.when(diverged).then(pl.coalesce("diverged_step", "last_step")).alias("diverged_step"),
            pl.when(~diverged & reached).then(pl.col("loss")).alias("final_loss"),
        )
        .select(HORIZON_LOSSES.schema.names())
        .sort(HORIZON_LOSSES.key)
    )


def _mean(loss: pl.Expr, scale: Scale) -> pl.Expr:
    """Return the geometric mean of losses above 0; of others, which are compared by difference or not at all, the
    mean.
    """
    match scale:
        case Scale.LOG:
            return pl.when((loss > 0).all()).then(loss.log().mean().exp()).otherwise(loss.mean())
        case Scale.DIFFERENCE:
            return loss.mean()
        case _:
            assert_never(scale)


def horizon_steps(runs: pl.DataFrame, horizons: Sequence[float]) -> pl.DataFrame:
    """Return each run of tables.RUNS once for each horizon, with `horizon` and `horizon_step`.

    The step is that share of the longest completed run of the same setting and batch size. runs: with `origin`, the
    step at which the training that is logged began (runlog.rules.scanned.SCANNED). A branch may be longer than the
    runs that are compared, so it decides nothing where there are others.
    """
    completed = (pl.col("status") == RunStatus.COMPLETED) & pl.col("branch_of").is_null()
    whole = pl.col("last_step").filter(completed).max().over(HORIZON_GROUP)
    planned = runs.with_columns(pl.coalesce(whole, pl.col("last_step").max().over(HORIZON_GROUP)).alias("planned"))
    shares = pl.DataFrame({"horizon": list(horizons)}, schema={"horizon": pl.Float64()})
    began = pl.col("origin").filter(pl.col("branch_of").is_null()).min().over(HORIZON_GROUP).fill_null(0)
    step = (began + pl.col("horizon") * (pl.col("planned") - began)).round().cast(pl.Int64)
    return planned.join(shares, how="cross").with_columns(step.alias("horizon_step"))
