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

from mstudy.core.errors import LogError, shown
from mstudy.importers.mapping import COLUMN_NAMES, CONFIG_NAMES, TABLE_NAMES, Mapping, choose
from mstudy.importers.read_table import PLACES, constant, is_cut, is_numeric, numbers, read_table, row_of
from mstudy.importers.row_order import in_order
from mstudy.importers.settings import settings_beside
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Series, Setting, SourceRun, name_of

_MIN_ROWS_IN_ORDER = 3  # before a last row that is not: fewer do not show an order
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
    frame, notes = _without_torn_row(frame, path, mapping)
    metric = choose("metric", mapping.columns, TABLE_NAMES, frame.columns)
    value = choose("value", mapping.columns, TABLE_NAMES, frame.columns)
    steps, step = _steps(frame, path, mapping)
    config: dict[str, Setting] = settings_beside(path.parent, path.stem)
    if metric is not None and value is not None:
        config |= _constants(frame, {step, metric, value}, mapping)
        raw = _long(frame[metric].cast(pl.String), steps, numbers(frame, value, path))
    else:
        config |= _constants(frame, {step}, mapping)
        raw = {c: _given(steps, numbers(frame, c, path), frame[c]) for c in _measured(frame, step, mapping)}
    return SourceRun(name, in_order(raw), config, notes=notes, written={c: each.steps for c, each in raw.items()})


def _long(tags: pl.Series, steps: NDArray[np.int64], values: NDArray[np.float64]) -> dict[str, Series]:
    names, every = tags.drop_nulls().unique(maintain_order=True), tags.to_numpy()
    rows = {str(tag): every == tag for tag in names}
    return {tag: Series(steps[own], values[own]) for tag, own in rows.items()}


def _measured(frame: pl.DataFrame, step: str, mapping: Mapping) -> list[str]:
    """Return the columns that must hold numbers, because the map or their names say so, and others that do."""
    wanted = {metric for name, metric in mapping.columns.items() if name not in TABLE_NAMES}
    settings = {choose(key, mapping.config, CONFIG_NAMES, frame.columns) for key in CONFIG_NAMES}
    wanted |= {column for name in COLUMN_NAMES if (column := _named(name, frame, mapping, settings))}
    others = [column for column in frame.columns if column not in (step, *PLACES)]
    return [column for column in others if column in wanted or is_numeric(frame, column)]


def _named(name: str, frame: pl.DataFrame, mapping: Mapping, settings: set[str | None]) -> str | None:
    """Return the column that will be read as this one of the log; None also for text that is a setting."""
    column = choose(name, mapping.columns, COLUMN_NAMES, frame.columns)
    return None if column in settings and column is not None and not is_numeric(frame, column) else column


def _given(steps: NDArray[np.int64], values: NDArray[np.float64], raw: pl.Series) -> Series:
    """Return the rows where something stands; a NaN that was written stays: it says that the run diverged."""
    written = raw.cast(pl.String).str.strip_chars().str.to_lowercase() == "nan"
    given = ~np.isnan(values) | written.fill_null(False).to_numpy()
    return Series(steps[given], values[given])


def _without_torn_row(frame: pl.DataFrame, path: Path, mapping: Mapping) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Leave out a file's last row where its writer was killed before the end of it: what is left of the step lies
    before those of rows that are in order.
    """
    step = choose("step", mapping.columns, TABLE_NAMES, frame.columns)
    if step is None or not is_cut(frame):
        return frame, ()
    steps = frame[step].cast(pl.Float64, strict=False).to_numpy()
    if len(steps) <= _MIN_ROWS_IN_ORDER or not (np.diff(steps[:-1]) > 0).all() or steps[-1] > steps[-2]:
        return frame, ()
    note = f"the last row of {path}, which has no end of line, is left out as torn: its step is not beyond the others"
    return frame[:-1], (note,)


def _steps(frame: pl.DataFrame, path: Path, mapping: Mapping) -> tuple[NDArray[np.int64], str]:
    column = choose("step", mapping.columns, TABLE_NAMES, frame.columns)
    per_epoch = 1.0
    if column is None:
        column = choose("epoch", {}, _EPOCH, frame.columns)
        given = mapping.values.get("steps_per_epoch")
        if column is None or not isinstance(given, int | float) or given <= 0:
            columns = ", ".join([column for column in frame.columns if column not in PLACES][:8])
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
        cell = shown(frame[column][row])
        raise LogError(f"{column} must hold whole numbers, found {cell} in {path}, row {row_of(frame, row)}.")
    return found_steps.astype(np.int64), column


def _constants(frame: pl.DataFrame, not_these: set[str], mapping: Mapping) -> dict[str, Setting]:
    """Return the columns that configure the run."""
    others = [column for column in frame.columns if column not in not_these]
    names = (choose(key, mapping.config, CONFIG_NAMES, others) for key in CONFIG_NAMES)
    values = {name: constant(frame, name) for name in names if name is not None}
    return {name: v for name, v in values.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}
