"""The gap of a pair at the end of a treatment, with and without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mstudy.core.losses.scale import Scale, has_level, level_of
from mstudy.core.series import Series
from mstudy.core.theory import equivalent_sgd_step
from mstudy.pairs.pairing import pair_runs
from mstudy.tables.contracts import BRANCH_GAPS
from mstudy.tables.table import CELL

_LATE = np.linspace(0.75, 1.0, 17)  # where the losses are read, as shares of the window: they oscillate from row to row


def measure_branch_gaps(runs: pl.DataFrame, points: pl.DataFrame, scale: Scale = Scale.LOG) -> pl.DataFrame:
    """Return one row for each branch with an end, and each other run of its parent's pair (tables.BRANCH_GAPS).

    A branch at a share of its window is held against its parent at the same share of the parent's window: where the
    branch goes slower, the two have gone equally far there. points: one row a logged step, in order within a run,
    its loss as `in_units` returns it.
    """
    branches = runs.filter(pl.col("branch_of").is_not_null() & pl.col("intervention_end").is_not_null())
    parents = pl.concat(
        pair_runs(runs).with_columns(pl.col(side).alias("parent_run_id")) for side in ("sgd_run_id", "sgdm_run_id")
    )
    of_branch = branches.select(
        pl.col("run_id").alias("branch_run_id"),
        pl.col("branch_of").alias("parent_run_id"),
        pl.col("intervention_momentum").alias("branch_momentum"),
        pl.col("intervention_step", "intervention_end", "intervention_parent_end"),
    )
    both = parents.join(of_branch, on="parent_run_id")
    both = both.filter(pl.col("branch_momentum").is_null() | (pl.col("branch_momentum") == pl.col("momentum")))
    curves = _Curves(points, scale)
    return BRANCH_GAPS.frame([_gaps(row, curves) for row in both.sort(*CELL, "seed").iter_rows(named=True)])


class _Curves:
    """What is subtracted where losses are compared, of runs at any step up to their last row."""

    def __init__(self, points: pl.DataFrame, scale: Scale) -> None:
        self._scale = scale
        usable = points.filter(pl.Series(has_level(points["loss"].to_numpy(), scale), dtype=pl.Boolean))
        self._logs = usable.select("run_id", "step", "loss").partition_by("run_id", as_dict=True)

    def level(self, run_id: str, steps: Series) -> Series:
        """Return the level at the steps; NaN beyond the run's end."""
        log = self._logs.get((run_id,))
        if log is None:
            return np.full(len(steps), np.nan)
        levels = level_of(log["loss"].to_numpy(), self._scale)
        values: Series = np.interp(steps, log["step"].to_numpy(), levels, right=np.nan)
        return values


def _gaps(row: dict[str, Any], curves: _Curves) -> dict[str, Any]:
    """Return the row of one branch and one pair; a gap is null where a run of it diverged before."""
    begin = row["intervention_step"]
    at_branch, at_parent = (
        begin + _LATE * (row[end] - begin) for end in ("intervention_end", "intervention_parent_end")
    )
    leaves_sgdm = row["parent_run_id"] == row["sgdm_run_id"]
    own = curves.level(row["parent_run_id"], at_parent)
    branch = curves.level(row["branch_run_id"], at_branch)
    other = curves.level(*_other_run(row, at_parent, leaves_sgdm))
    sign = -1.0 if leaves_sgdm else 1.0
    gaps = {"gap_parent": sign * (own - other), "gap_branch": sign * (branch - other)}
    # The other run may be over a few updates too early, where it lags and the window ends with the training.
    reached = np.isfinite(other)
    known = reached if 2 * reached.sum() >= len(reached) else ~reached
    return row | {name: None if np.isnan(gap[known]).any() else float(gap[known].mean()) for name, gap in gaps.items()}


def _other_run(row: dict[str, Any], steps: Series, leaves_sgdm: bool) -> tuple[str, Series]:
    """Return the other run of the pair, and its steps that are as far along as these of the parent.

    The steps are the same where no lag is known.
    """
    if leaves_sgdm:
        clock = equivalent_sgd_step(steps, row["optimizer"], row["momentum"])
        return row["sgd_run_id"], steps if clock is None else clock
    every = np.arange(2.0 * steps[-1] + 2)
    clock = equivalent_sgd_step(every, row["optimizer"], row["momentum"])
    return row["sgdm_run_id"], steps if clock is None else np.interp(steps, clock, every)
