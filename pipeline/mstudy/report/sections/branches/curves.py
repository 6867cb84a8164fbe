"""Runs with their branches over the steps: of each block with branches one run, that of the median effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mstudy.core.statuses import BranchTime, SharpeningStatus
from mstudy.report.charts.theme import label
from mstudy.report.sections.base import BranchesShown, Figure, Moment, ParentShown, Plate, ReportData, TimeShown
from mstudy.report.words import interval, listed, number, step
from mstudy.tables.contracts import INTERVENTIONS, SHARPENINGS

MAX_PARENTS = 9  # runs of one setting that can be chosen
_TIMES = {BranchTime.SHARPENING: "before the sharpening", BranchTime.CONTROL: "at the control time"}
_NOTE = (
    "A run of plain SGD, the SGDM run of its pair, and the branches that leave it at one step: vertical lines mark "
    "that step and the sharpening, bars the treated steps. Of each batch size and learning rate the run of median "
    "effect can be chosen. The gap of a branch is to SGDM at the step as far along; a lower rate takes more steps to "
    "get there."
)


def branch_plates(data: ReportData) -> list[Plate]:
    """Return the plate of runs with their branches; none where the page holds no curve of a branch."""
    figures = [_figure(data, index, rows) for index, rows in data.by_setting(_held(data))]
    return [Plate("branches", "One run and its branches over the steps", _NOTE, figures, wide=True)] if figures else []


def _held(data: ReportData) -> pl.DataFrame:
    """Return the branches of which the page holds all three runs, beside the SGDM run of the largest momentum."""
    held = pl.all_horizontal(
        pl.col(name).is_in(list(data.held)) for name in ("branch_run_id", "sgd_run_id", "sgdm_run_id")
    )
    rows = data.results[INTERVENTIONS].filter(held & pl.col("intervention_step").is_not_null())
    time = pl.col("intervention_at").fill_null(BranchTime.SHARPENING)
    return rows.filter(pl.col("momentum") == pl.col("momentum").max().over("study")).with_columns(time.alias("time"))


def _figure(data: ReportData, index: int, rows: pl.DataFrame) -> Figure:
    chosen = [_median_run(block) for block in _blocks(rows)]
    middle = _place_of_median([_effect(branches) for branches in chosen])
    parents = tuple(_parent(data, branches) for branches in chosen)
    return Figure(
        data.title(index, "A run and its branches"),
        parents[middle].times[0].caption,
        pl.DataFrame(),
        setting=index,
        momentum=rows["momentum"][0],
        branches=BranchesShown(parents, middle),
    )


def _blocks(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the branches of each batch size and learning rate in order, of many some that lie evenly among them."""
    blocks = rows.sort("batch_size", "eta_ef", "seed").partition_by("batch_size", "eta_ef", maintain_order=True)
    return [blocks[k] for k in np.unique(np.linspace(0, len(blocks) - 1, MAX_PARENTS).round().astype(int))]


def _median_run(block: pl.DataFrame) -> pl.DataFrame:
    runs = block.partition_by("sgd_run_id", "sgdm_run_id", maintain_order=True)
    return runs[_place_of_median([_effect(run) for run in runs])]


def _place_of_median(effects: list[float]) -> int:
    """Return the place of the median, the lower of two."""
    return int(np.argsort(effects, kind="stable")[(len(effects) - 1) // 2])


def _effect(branches: pl.DataFrame) -> float:
    """Return what the treatments of SGD before the sharpening take of the gap, on average; 0 where none is known."""
    of_sgd = branches.filter((pl.col("time") != BranchTime.CONTROL) & ~pl.col("of_sgdm").fill_null(False))
    return float(of_sgd.select((pl.col("gap_parent") - pl.col("gap_branch")).mean()).item() or 0.0)


def _parent(data: ReportData, branches: pl.DataFrame) -> ParentShown:
    row = branches.row(0, named=True)
    name = f"b = {row['batch_size']:,}, η_ef = {number(row['eta_ef'])}, seed {row['seed']}"
    sharpens = _sharpening(data, row["sgd_run_id"])
    times = [
        _time(row, name, sharpens, at, part.sort("intervention", "branch_run_id"), data.words.short)
        for at in _TIMES
        if len(part := branches.filter(pl.col("time") == at))
    ]
    return ParentShown(name, (row["sgd_run_id"], row["sgdm_run_id"]), sharpens, tuple(times))


def _sharpening(data: ReportData, run_id: str) -> Moment | None:
    found = data.results[SHARPENINGS].filter(run_id=run_id, status=SharpeningStatus.DETECTED)
    row = next(found.iter_rows(named=True), None)
    return None if row is None else Moment("sharpens", row["step"], row["step_low"], row["step_high"])


def _time(
    row: dict[str, Any], name: str, sharpens: Moment | None, at: BranchTime, branches: pl.DataFrame, measure: str
) -> TimeShown:
    steps = branches["intervention_step"].unique().sort().to_list()
    event = "" if sharpens is None else f" sharpens abruptly at step {_told(sharpens)}, and"
    gaps = [f"{kind} {number(gap)}" for kind, gap in branches.select("intervention", "gap_branch").iter_rows()]
    alone = branches["gap_parent"].drop_nulls()
    partner = label(row["momentum"], row["optimizer"])
    caption = (
        f"SGD at {name}{event} is left {_TIMES[at]}, at step {listed([step(each) for each in steps])}. "
        f"When the treatment ends, its {measure} to {partner} is {number(alone[0] if len(alone) else None)} left "
        f"alone; of the branches it is {listed(gaps)}."
    )
    ends = branches["intervention_end"].to_list()
    return TimeShown(
        _TIMES[at], caption, tuple(branches["branch_run_id"]), tuple(branches["intervention"]), steps[0], tuple(ends)
    )


def _told(moment: Moment) -> str:
    return f"{step(moment.step)} {interval(moment.low, moment.high, step)}"
