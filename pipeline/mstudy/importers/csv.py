"""CSV, TSV, JSON lines: one run a file, or many with a column that names the run; wide, or long.

Wide: a row a step, a column a metric. Long: columns `metric` and `value`. A column that holds one value throughout a
run, and is called like a setting, is one. Files of the names in settings.py beside a table configure its runs.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.mapping import CONFIG_NAMES, TABLE_NAMES, Mapping, choose
from mstudy.importers.read_table import constant, is_numeric, numbers, read_table
from mstudy.importers.settings import settings_beside
from mstudy.importers.source_run import Found, Series, Setting, SourceRun, files_below, later_wins, name_of

_EPOCH: dict[str, tuple[str, ...]] = {"epoch": ("epoch", "epochs", "train_epoch")}


def find_csv(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of one table, or of all below a folder. Raises LogError where there is none."""
    paths = files_below(root, "*.csv", "*.tsv", "*.jsonl", "*.ndjson")
    if not paths:
        raise LogError(f"The source must hold tables, found no *.csv, *.tsv, *.jsonl or *.ndjson in {root}.")
    return [run for path in paths for run in _runs_of(path, root, mapping)]


def _runs_of(path: Path, root: Path, mapping: Mapping) -> list[Found]:
    name = name_of(path, root).removesuffix(path.suffix)
    try:
        frame = read_table(path)
    except LogError as error:
        return [Found(name, partial(_refuse, error))]
    run = choose("run", mapping.columns, TABLE_NAMES, frame.columns)
    # "name" and the like tell runs apart where they differ; a long table's metric is no run.
    if run is None or (frame[run].n_unique() < 2 and "run" not in mapping.columns):
        return [Found(name, partial(read_run, frame, path, name, mapping))]
    parts = frame.partition_by(run, as_dict=True, maintain_order=True)
    return [
        Found(f"{name}/{key}", partial(read_run, part.drop(run), path, f"{name}/{key}", mapping))
        for (key,), part in parts.items()
    ]


def _refuse(error: LogError) -> SourceRun:
    raise error


def read_run(frame: pl.DataFrame, path: Path, name: str, mapping: Mapping) -> SourceRun:
    """Return one run of a table that holds no other. Raises LogError where it has no steps, or text for numbers."""
    metric = choose("metric", mapping.columns, TABLE_NAMES, frame.columns)
    value = choose("value", mapping.columns, TABLE_NAMES, frame.columns)
    steps, step = _steps(frame, path, mapping)
    config: dict[str, Setting] = settings_beside(path.parent, path.stem)
    if metric is not None and value is not None:
        tags, values = frame[metric].cast(pl.String).to_numpy(), numbers(frame, value, path)
        parts = {str(tag): tags == tag for tag in frame[metric].drop_nulls().unique(maintain_order=True)}
        series = {tag: _series(steps[rows], values[rows]) for tag, rows in parts.items()}
        return SourceRun(name, series, config | _constants(frame, {step, metric, value}, mapping))
    config |= _constants(frame, {step}, mapping)
    wanted = {metric for name, metric in mapping.columns.items() if name not in TABLE_NAMES} & set(frame.columns)
    others = [c for c in frame.columns if c != step and (c in wanted or is_numeric(frame, c))]
    return SourceRun(name, {c: _series(steps, numbers(frame, c, path), frame[c]) for c in others}, config)


def _series(steps: NDArray[np.int64], values: NDArray[np.float64], raw: pl.Series | None = None) -> Series:
    """Return the rows where something stands; a NaN that was written stays: it says that the run diverged."""
    given = ~np.isnan(values)
    if raw is not None:
        written = raw.cast(pl.String).str.strip_chars().str.to_lowercase() == "nan"
        given |= written.fill_null(False).to_numpy()
    else:
        given[:] = True
    steps, values = steps[given], values[given]
    keep = later_wins(steps)
    return Series(steps[keep], values[keep])


def _steps(frame: pl.DataFrame, path: Path, mapping: Mapping) -> tuple[NDArray[np.int64], str]:
    column = choose("step", mapping.columns, TABLE_NAMES, frame.columns)
    per_epoch = 1.0
    if column is None:
        column = choose("epoch", {}, _EPOCH, frame.columns)
        given = mapping.values.get("steps_per_epoch")
        if column is None or not isinstance(given, int | float) or given <= 0:
            columns = ", ".join(frame.columns[:8])
            raise LogError(
                f"The steps must be known, found columns {columns} in {path}; name them by --map, columns.step, "
                "or give values.steps_per_epoch where there are epochs."
            )
        per_epoch = float(given)
    found_steps = numbers(frame, column, path) * per_epoch
    if per_epoch != 1.0:
        found_steps = np.round(found_steps)
    wrong = ~np.isfinite(found_steps) | (found_steps != np.floor(found_steps)) | (np.abs(found_steps) >= 2.0**53)
    if wrong.any():
        row = int(wrong.argmax())
        raise LogError(f"{column} must hold whole numbers, found {frame[column][row]!r} in {path}, row {row + 1}.")
    return found_steps.astype(np.int64), column


def _constants(frame: pl.DataFrame, not_these: set[str], mapping: Mapping) -> dict[str, Setting]:
    """Return the columns that configure the run."""
    others = [column for column in frame.columns if column not in not_these]
    names = (choose(key, mapping.config, CONFIG_NAMES, others) for key in CONFIG_NAMES)
    values = {name: constant(frame, name) for name in names if name is not None}
    return {name: v for name, v in values.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}
