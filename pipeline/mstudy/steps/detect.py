"""Step 1: what runs there are, and when each sharpens abruptly."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from mstudy.cache import KEY, Cache
from mstudy.events.detect import detect_sharpenings
from mstudy.params import Detect
from mstudy.runlog.reader import RunFolder
from mstudy.steps.files import PROBLEMS, RESULTS, write_json
from mstudy.steps.keys import run_keys
from mstudy.tables import RUNS, SHARPENING_EVENTS, SHARPENINGS
from mstudy.workers import Workers, in_chunks

_CHUNK = 50  # runs a task: their rows are in memory together
_WORTHWHILE = 200  # runs
_CACHED = ((SHARPENINGS, "sharpenings"), (SHARPENING_EVENTS, "events"))


@dataclass(frozen=True)
class _Task:
    part: RunFolder
    params: Detect


def detect(
    folder: RunFolder, out: Path, params: Detect, workers: Workers | None = None, cache: Cache | None = None
) -> None:
    """Write the tables of runs and of sharpenings, and the list of problems; search the runs that the cache lacks."""
    RUNS.write(folder.runs, out / RESULTS)
    write_json([problem.as_dict() for problem in folder.problems], out / PROBLEMS)
    found = _sharpenings(folder, params, workers or Workers(), cache or Cache())
    for (table, _), frame in zip(_CACHED, found, strict=True):
        table.write(frame, out / RESULTS)


def _sharpenings(folder: RunFolder, params: Detect, workers: Workers, cache: Cache) -> list[pl.DataFrame]:
    """The frames of _CACHED."""
    keys = run_keys(folder.scanned, asdict(params))
    known = [cache.load(kind, table.schema).join(keys, on=[KEY, "run_id"], how="semi") for table, kind in _CACHED]
    todo = keys.join(known[0], on=KEY, how="anti")["run_id"].to_list()
    tasks = [_Task(folder.part(chunk), params) for chunk in in_chunks(todo, _CHUNK)]
    fresh = list(workers.map(_detect_chunk, tasks, "looking for sharpenings", len(todo) >= _WORTHWHILE))
    frames = []
    for k, (_, kind) in enumerate(_CACHED):
        added = [part[k].join(keys, on="run_id").select(KEY, pl.exclude(KEY)) for part in fresh]
        frame = pl.concat([known[k], *added])
        cache.store(kind, frame)
        frames.append(frame)
    return frames


def _detect_chunk(task: _Task) -> tuple[pl.DataFrame, pl.DataFrame]:
    points = task.part.series(columns=["step", "loss", task.params.quantity])
    found = detect_sharpenings(task.part.runs, points, task.params)
    return found.sharpenings, found.events
