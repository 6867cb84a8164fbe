"""Weights & Biases: exported histories, as files.

* A run a file, `*.parquet`, `*.csv` or `*.jsonl` with `_step`: the history artifact, or rows of `run.scan_history()`.
  `<name>.json` or `.yaml` beside it, or config.yaml or config.json in its folder, hold the run's config. `_step` counts
  calls of the logger: a column that counts updates goes before it.
* The web page's CSV of one metric for many runs: its x axis, and columns `<run> - <metric>`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.mapping import TABLE_NAMES, Mapping
from mstudy.importers.settings.names import plain
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Series, SourceRun, refused
from mstudy.importers.tables.clock import step_column
from mstudy.importers.tables.find_tables import bare_name, patterns
from mstudy.importers.tables.frame import PLACES, Table
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run

_STEP, _BETWEEN = "_step", " - "
_WANDB_KEYS = ("_runtime", "_timestamp", "_wandb")
_BANDS = ("__MIN", "__MAX")
_EPOCHS = ("epoch", "epochs", "train_epoch")
_SAMPLED = "exported from the web page, which samples a run's history; export by run.scan_history() to have all of it"
_Page = tuple[Path, Table, str]  # a file, its table, the column of a metric


def find_wandb(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder of exports, or of one. Raises LogError where there are none."""
    paths = files_below(root, "*.parquet", *patterns(".csv", ".jsonl"))
    if not paths:
        raise LogError(f"The source must hold exports, found no *.parquet, *.csv or *.jsonl in {root}.")
    runs: list[Found] = []
    pages: dict[str, dict[str, _Page]] = {}
    for path in paths:
        name = bare_name(path, root)
        try:
            table = read_table(path)
        except LogError as error:
            runs.append(refused(name, error))
            continue
        if _is_page(table.frame):
            for run, metric, column in _page_columns(table.frame):
                pages.setdefault(run, {})[metric] = (path, table, column)
        else:
            runs.append(Found(name, partial(_read_history, table, path, name, mapping)))
    return runs + [Found(run, partial(_read_pages, run, metrics, mapping)) for run, metrics in pages.items()]


def _read_history(table: Table, path: Path, name: str, mapping: Mapping) -> SourceRun:
    frame = table.frame.drop([column for column in table.frame.columns if column.startswith(_WANDB_KEYS)])
    note: tuple[str, ...] = ()
    if "step" not in mapping.columns and _STEP in frame.columns and step_column(frame, mapping) in ("step", "steps"):
        if not frame["step" if "step" in frame.columns else "steps"].equals(frame[_STEP]):
            note = ("steps are those of _step, and step counts otherwise; columns.step of a map chooses",)
        frame = frame.drop("step", "steps", strict=False)
    run = read_run(replace(table, frame=frame), path, name, mapping)
    return replace(run, notes=run.notes + note)


def _is_page(frame: pl.DataFrame) -> bool:
    """Return whether all columns but the x axis are metrics of named runs."""
    axis, *others = [column for column in frame.columns if column not in PLACES]
    return _BETWEEN not in axis and bool(others) and all(_BETWEEN in column for column in others)


def _page_columns(frame: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Return run, metric and column of each metric of a page's CSV, those of its bands left out."""
    columns = [column for column in frame.columns if _BETWEEN in column and not column.endswith(_BANDS)]
    return [(*_run_and_metric(column), column) for column in columns if not column.endswith(f"{_BETWEEN}{_STEP}")]


def _run_and_metric(column: str) -> tuple[str, str]:
    run, _, metric = column.rpartition(_BETWEEN)
    return run, metric


def _read_pages(run: str, metrics: dict[str, _Page], mapping: Mapping) -> SourceRun:
    series: dict[str, Series] = {}
    written: dict[str, NDArray[np.int64]] = {}
    notes: dict[str, None] = {_SAMPLED: None}
    clocks = {}
    for metric, (path, table, column) in metrics.items():
        own, plain_map = _own_columns(run, metric, column, table.frame, path, mapping)
        page = read_run(replace(table, frame=own), path, run, plain_map, {})
        series, written = series | page.series, written | page.written
        notes |= dict.fromkeys(page.notes)
        clocks[page.clock_name] = page.clock
    if len(clocks) > 1:
        told = ", ".join(sorted(str(name or "step") for name in clocks))
        raise LogError(f"All pages of a run must have one x axis, found {told}; export them alike.")
    ((name, clock),) = clocks.items()
    return SourceRun(run, series, notes=tuple(notes), written=written, clock=clock, clock_name=name)


def _own_columns(
    run: str, metric: str, column: str, frame: pl.DataFrame, path: Path, mapping: Mapping
) -> tuple[pl.DataFrame, Mapping]:
    """Return the columns of steps and of one metric, and a map for them."""
    axis = _axis(run, frame, path, mapping.columns.get("step"))
    name = "step" if plain(axis) in ("step", _STEP) or axis.endswith(f"{_BETWEEN}{_STEP}") else axis
    own = frame.select(pl.col(axis).alias(name), pl.col(column).alias(metric), *PLACES)
    columns = {key: each for key, each in mapping.columns.items() if key not in TABLE_NAMES}
    is_epoch = plain(axis) in _EPOCHS and "step" not in mapping.columns
    return own, replace(mapping, columns=columns if is_epoch else columns | {"step": name})


def _axis(run: str, frame: pl.DataFrame, path: Path, counted: str | None) -> str:
    """Return the column of steps: the x axis where it counts updates or epochs, else the run's own `_step`.

    Raises LogError where neither is there, or the map names what is not.
    """
    axis = frame.columns[0]
    if counted is not None:
        found = [name for name in (f"{run}{_BETWEEN}{counted}", counted) if name in frame.columns]
        if not found:
            raise LogError(f"columns.step must be the x axis of the page or a metric of it, found {counted} in {path}.")
        return found[0]
    if plain(axis) in (*TABLE_NAMES["step"], *_EPOCHS):
        return axis
    if f"{run}{_BETWEEN}{_STEP}" in frame.columns:
        return f"{run}{_BETWEEN}{_STEP}"
    raise LogError(
        f"A page's x axis must count updates or epochs, found {axis} in {path}; export it with the x axis Step or "
        "global_step, or name it by --map, columns.step."
    )
