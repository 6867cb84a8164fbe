"""The stage `detect`: what runs there are, and when each sharpens abruptly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from mstudy.cache import KEY, Cache, Frames, reuse, run_keys
from mstudy.core.files import write_json
from mstudy.core.params import Detect
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.runlog.reading.reader import RunFolder
from mstudy.tables.contracts import RUNS, SHARPENING_EVENTS, SHARPENINGS
from mstudy.tables.stamp import place_of, runs_digest, write_stamp
from mstudy.tables.table import PROBLEMS, RESULTS
from mstudy.workers.ordered import Workers, in_chunks

_CHUNK = 50  # runs a task: their rows are in memory together
_MIN_RUNS_FOR_WORKERS = 200  # runs
_TABLES = (SHARPENINGS, SHARPENING_EVENTS)


@dataclass(frozen=True)
class _Task:
    """keys: run_id and key of the part's runs."""

    part: RunFolder
    keys: pl.DataFrame
    params: Detect


def detect(
    folder: RunFolder, out: Path, params: Detect, workers: Workers | None = None, cache: Cache | None = None
) -> None:
    """Write the tables of runs and of sharpenings, the list of problems and the stamp; search the runs that the cache
    lacks.
    """
    RUNS.write(folder.runs, out / RESULTS)
    write_json([problem.as_dict() for problem in folder.problems], out / PROBLEMS)
    sharpenings = _sharpenings(folder, params, workers or Workers(), cache or Cache())
    for table in _TABLES:
        table.write(sharpenings[table.name], out / RESULTS)
    written = [*map(place_of, (RUNS, *_TABLES)), PROBLEMS]
    write_stamp(out, "detect", {"detect": params}, written, runs_digest(folder.scanned))


def search_runs(folder: RunFolder, params: Detect, workers: Workers) -> pl.DataFrame:
    """Return the sharpening of each run (tables.SHARPENINGS), without writing anything."""
    return _sharpenings(folder, params, workers, Cache())[SHARPENINGS.name]


def _sharpenings(folder: RunFolder, params: Detect, workers: Workers, cache: Cache) -> Frames:
    keys = run_keys("detect", folder.scanned, asdict(params))

    def compute(missing: list[str]) -> Iterator[Frames]:
        todo = folder.scanned.join(keys.filter(pl.col(KEY).is_in(set(missing))), on="run_id", maintain_order="left")
        parts = [todo[slice(*bounds)] for bounds in in_chunks(len(todo), _CHUNK)]
        tasks = [_Task(folder.of(part), part.select("run_id", KEY), params) for part in parts]
        return workers.map(
            _detect_part, tasks, "looking for sharpenings, 50 runs a part", len(todo) >= _MIN_RUNS_FOR_WORKERS
        )

    return reuse("sharpenings", {t.name: t.schema for t in _TABLES}, keys[KEY].to_list(), compute, cache)


def _detect_part(task: _Task) -> Frames:
    points = task.part.series(columns=["step", "loss", task.params.quantity])
    sharpenings = detect_sharpenings(task.part.runs, points, task.params)
    frames = {SHARPENINGS.name: sharpenings.sharpenings, SHARPENING_EVENTS.name: sharpenings.events}
    return {name: frame.join(task.keys, on="run_id") for name, frame in frames.items()}
