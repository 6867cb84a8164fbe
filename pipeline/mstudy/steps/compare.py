"""Step 2: SGD against SGDM, per cell and per pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from mstudy.cache import KEY, Cache
from mstudy.inference.compare import find_all_partings, measure_advantage
from mstudy.params import Compare
from mstudy.runlog.reader import RunFolder
from mstudy.steps.files import RESULTS
from mstudy.steps.keys import group_keys
from mstudy.tables import ADVANTAGE, BLOCK, PARTINGS
from mstudy.workers import Workers

_RUNS = 50  # a task: their rows are in memory together
_WORTHWHILE = 200  # runs
_KIND = "partings"


@dataclass(frozen=True)
class _Task:
    part: RunFolder
    params: Compare


def compare(
    folder: RunFolder, out: Path, params: Compare, workers: Workers | None = None, cache: Cache | None = None
) -> None:
    """Write the advantage of each cell and the parting of each pair. Search the blocks that the cache lacks."""
    ADVANTAGE.write(measure_advantage(folder.runs, params), out / RESULTS)
    PARTINGS.write(_partings(folder, params, workers or Workers(), cache or Cache()), out / RESULTS)


def _partings(folder: RunFolder, params: Compare, workers: Workers, cache: Cache) -> pl.DataFrame:
    """tables.PARTINGS. A block, SGD and its SGDM runs, is decided by its own runs alone."""
    keys = group_keys(folder.scanned, BLOCK, asdict(params))
    known = cache.load(_KIND, PARTINGS.schema)
    known = known.join(keys, left_on=[KEY, "sgdm_run_id"], right_on=[KEY, "run_id"], how="semi")
    todo = keys.join(known, on=KEY, how="anti")
    tasks = [_Task(folder.part(run_ids), params) for run_ids in _blocks_together(todo)]
    fresh = list(workers.map(_find_partings, tasks, "looking for partings", len(todo) >= _WORTHWHILE))
    added = [part.join(keys, left_on="sgdm_run_id", right_on="run_id").select(KEY, pl.exclude(KEY)) for part in fresh]
    frame = pl.concat([known, *added])
    cache.store(_KIND, frame)
    return frame


def _blocks_together(keys: pl.DataFrame) -> Iterator[list[str]]:
    """run_ids of whole blocks, about _RUNS at a time."""
    together: list[str] = []
    for block in keys.group_by(KEY, maintain_order=True).agg("run_id")["run_id"]:
        together += block.to_list()
        if len(together) >= _RUNS:
            yield together
            together = []
    if together:
        yield together


def _find_partings(task: _Task) -> pl.DataFrame:
    points = task.part.series(columns=["step", "loss"])
    return find_all_partings(task.part.runs, points, task.params)
