"""The stage `compare`: SGD against SGDM, per cell and per pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from mstudy.cache import KEY, Cache, Frames, group_keys, reuse
from mstudy.compare.advantage import measure_advantage
from mstudy.compare.all_pairs import find_all_partings
from mstudy.compare.branch_gaps import measure_branch_gaps
from mstudy.compare.final_losses import summarise_losses
from mstudy.compare.horizon_losses import horizon_steps, losses_at_horizons
from mstudy.compare.twins import measure_twins
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Compare, Margins
from mstudy.pairs.loss_units import in_units
from mstudy.runlog.reading.reader import RunFolder
from mstudy.runlog.rules.together.loss_fall import loss_units
from mstudy.tables.contracts import (
    ADVANTAGE,
    BRANCH_GAPS,
    CELL_PARTINGS,
    FINAL_LOSSES,
    HORIZON_LOSSES,
    OPENINGS,
    PARTINGS,
    TWINS,
)
from mstudy.tables.stamp import place_of, runs_digest, write_stamp
from mstudy.tables.table import BLOCK, RESULTS, SETTING
from mstudy.workers.ordered import Workers

_MIN_RUNS_FOR_WORKERS = 200  # runs
_CHUNK = 60  # runs a task, or one block if it has more
# What needs the rows of the logs, and of a block (SGD and its SGDM runs) nothing but its own.
_TABLES = (PARTINGS, OPENINGS, CELL_PARTINGS, HORIZON_LOSSES, BRANCH_GAPS, TWINS)


@dataclass(frozen=True)
class _Task:
    """Some blocks of runs. keys: run_id and key of its block. steps: of horizon_losses.horizon_steps. units: of
    loss_fall.loss_units.
    """

    keys: pl.DataFrame
    part: RunFolder
    steps: pl.DataFrame
    units: pl.DataFrame
    margins: Margins
    params: Compare


def compare(
    folder: RunFolder,
    out: Path,
    margins: Margins,
    params: Compare,
    workers: Workers | None = None,
    cache: Cache | None = None,
) -> None:
    """Write the advantage of each cell, the partings of pairs, cells and twins, the gaps of branches, the final and the
    earlier losses; the stamp.

    Blocks that the cache has are not searched again. folder: read for the same `compare.scale`.
    """
    scale, units = _scale_of(folder, params), loss_units(folder.scanned)
    ADVANTAGE.write(measure_advantage(in_units(folder.runs, units, scale), margins, params), out / RESULTS)
    FINAL_LOSSES.write(summarise_losses(folder.runs, scale, units), out / RESULTS)
    rows = _by_block(folder, units, margins, params, workers or Workers(), cache or Cache())
    for table in _TABLES:
        table.write(rows[table.name], out / RESULTS)
    written = map(place_of, (ADVANTAGE, FINAL_LOSSES, *_TABLES))
    write_stamp(out, "compare", {"margins": margins, "compare": params}, written, runs_digest(folder.scanned))


def _scale_of(folder: RunFolder, params: Compare) -> Scale:
    """Return the scale. The final losses that were read are means of one kind, which is that of the scale."""
    scale = Scale(params.scale)
    if not (folder.scanned["scale"] == scale).all():
        raise AssertionError(f"the runs must be read for compare.scale {scale}, found another")
    return scale


def _by_block(
    folder: RunFolder, units: pl.DataFrame, margins: Margins, params: Compare, workers: Workers, cache: Cache
) -> Frames:
    steps = horizon_steps(folder.scanned, params.horizons)
    # The two things in which a block depends on others: how long the longest run of its batch size is, how far the loss
    # of its setting fell.
    ends = steps.group_by("run_id").agg(pl.col("horizon_step").sort().cast(pl.String).str.join(" "))
    decides = folder.scanned.join(ends, on="run_id", how="left", maintain_order="left")
    decides = decides.join(units, on=SETTING, how="left", maintain_order="left", nulls_equal=True)
    keys = group_keys("compare", decides, BLOCK, {"margins": asdict(margins), "compare": asdict(params)})

    def compute(missing: list[str]) -> Iterator[Frames]:
        todo = folder.scanned.join(keys.filter(pl.col(KEY).is_in(set(missing))), on="run_id", maintain_order="left")
        tasks = [
            _Task(
                part.select("run_id", KEY),
                folder.of(part),
                steps.join(part, on="run_id", how="semi"),
                units,
                margins,
                params,
            )
            for part in _whole_blocks(todo)
        ]
        return workers.map(
            _compare_blocks,
            tasks,
            "looking for partings, some blocks a part",
            len(todo) >= _MIN_RUNS_FOR_WORKERS,
        )

    return reuse("partings", {t.name: t.schema for t in _TABLES}, keys[KEY].to_list(), compute, cache)


def _whole_blocks(runs: pl.DataFrame) -> list[pl.DataFrame]:
    """Split the runs into parts of about _CHUNK runs; each block lies in one part."""
    blocks = runs.group_by(KEY, maintain_order=True).len()
    parts = blocks.select(KEY, ((pl.col("len").cum_sum() - 1) // _CHUNK).alias("part"))
    return runs.join(parts, on=KEY, maintain_order="left").partition_by("part", maintain_order=True)


def _with_setting(points: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    return points.join(runs.select("run_id", *SETTING), on="run_id", how="left", maintain_order="left")


def _compare_blocks(task: _Task) -> Frames:
    points = task.part.series(columns=["step", "loss"])
    scale, runs = Scale(task.params.scale), task.part.runs
    by_unit = in_units(_with_setting(points, runs), task.units, scale, "loss")
    in_unit = in_units(runs, task.units, scale)
    partings = find_all_partings(in_unit, by_unit, task.margins, task.params)
    of_block = task.part.scanned.select(*BLOCK, "run_id").join(task.keys, on="run_id").unique(BLOCK).drop("run_id")
    return {
        PARTINGS.name: partings.pairs.join(of_block, on=BLOCK),
        OPENINGS.name: partings.openings.join(of_block, on=BLOCK),
        CELL_PARTINGS.name: partings.cells.join(of_block, on=BLOCK),
        BRANCH_GAPS.name: measure_branch_gaps(runs, by_unit, scale).join(of_block, on=BLOCK),
        TWINS.name: measure_twins(in_unit, by_unit, task.params).join(of_block, on=BLOCK),
        HORIZON_LOSSES.name: losses_at_horizons(task.steps, points, scale).join(task.keys, on="run_id"),
    }
