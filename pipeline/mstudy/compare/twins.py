"""When twins part: runs that differ by chance alone, as a measure of what chance does to a gap.

A twin is dated by the rule of pairs, but for the gate: that one asks all seeds of a cell for gaps of one sign, which
chance does not give. A twin parts where its own late gap is beyond the margin, so chance is given the benefit.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.compare.cell_parting import late_mean
from mstudy.compare.closed_stretches import MIN_POINTS
from mstudy.compare.lasting_onsets import date_known
from mstudy.compare.onset import weigh_onsets
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Compare
from mstudy.core.statuses import TwinKind, TwinStatus
from mstudy.pairs.gap import Gap, LossCurve, gap_between
from mstudy.pairs.loss_units import level
from mstudy.tables.contracts import TWINS
from mstudy.tables.table import CELL

_KEYS = (*CELL, "seed")


def measure_twins(runs: pl.DataFrame, points: pl.DataFrame, compare: Compare) -> pl.DataFrame:
    """Return one row for each twin whose run is here (tables.TWINS). points: one row a logged step, in order.

    The losses are as `in_units` returns them.
    """
    kind = pl.col("twin_kind").fill_null(TwinKind.ROUNDING).alias("kind")
    twins = runs.filter(pl.col("twin_of").is_not_null())
    twins = twins.select(
        pl.col("run_id").alias("twin_run_id"), "twin_of", kind, pl.col("diverged_step").alias("twin_diverged_step")
    )
    both = runs.select(*_KEYS, "run_id", "diverged_step").join(twins, left_on="run_id", right_on="twin_of")
    curves = _curves(points, [*both["run_id"], *both["twin_run_id"]], Scale(compare.scale))
    return TWINS.frame([_row(row, curves, compare) for row in both.sort(*_KEYS, "twin_run_id").iter_rows(named=True)])


def _curves(points: pl.DataFrame, run_ids: list[str], scale: Scale) -> dict[str, LossCurve]:
    wanted = pl.col("run_id").is_in(run_ids) & level(pl.col("loss"), scale).is_finite()
    logs = points.select("run_id", "step", "loss").filter(wanted).partition_by("run_id", as_dict=True)
    return {
        str(run_id): LossCurve(log["step"].to_numpy(), log["loss"].to_numpy(), None, scale)
        for (run_id,), log in logs.items()
    }


def _row(row: dict[str, Any], curves: dict[str, LossCurve], compare: Compare) -> dict[str, Any]:
    both = [curves.get(row[name]) for name in ("run_id", "twin_run_id")]
    gap = None if both[0] is None or both[1] is None else gap_between(both[0], both[1])
    known = gap is not None and len(gap.steps) > 0
    first = {"first_gap": float(gap.values[0]) if gap is not None and known else None}
    diverged = [step for step in (row["diverged_step"], row["twin_diverged_step"]) if step is not None]
    if diverged:
        return row | first | {"status": TwinStatus.DIVERGED, "step": float(min(diverged))}
    if gap is None or len(gap.steps) < MIN_POINTS:
        return row | first | {"status": TwinStatus.INSUFFICIENT}
    return row | first | {"late_gap": late_mean(gap)} | _parting(gap, compare)


def _parting(gap: Gap, compare: Compare) -> dict[str, Any]:
    if abs(late_mean(gap)) <= compare.parting_margin:
        return {"status": TwinStatus.NONE}
    onset = date_known([weigh_onsets(gap)], 1 - compare.alpha)[0]
    assert onset is not None, "a gap of enough points is dated"
    return {"status": TwinStatus.PARTED, "step": onset.step, "step_low": onset.low, "step_high": onset.high}
