"""Weights & Biases: exported histories, as files.

* A run a file, `*.parquet`, `*.csv` or `*.jsonl` with `_step`: the history artifact, or rows of `run.scan_history()`.
  `<name>.json` or `.yaml` beside it, or config.yaml or config.json in its folder, hold the run's config.
* The web page's CSV of one metric for many runs: columns `Step` and `<run> - <metric>`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.csv import read_run
from mstudy.importers.mapping import TABLE_NAMES, Mapping
from mstudy.importers.read_table import PLACES, read_table
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Series, SourceRun, name_of

_STEP, _PAGE_STEP, _BETWEEN = "_step", "Step", " - "
_WANDB_KEYS = ("_runtime", "_timestamp", "_wandb")
_SAMPLED = "exported from the web page, which samples a run's history; export by run.scan_history() to have all of it"


def find_wandb(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder of exports, or of one. Raises LogError where there are none."""
    paths = files_below(root, "*.parquet", "*.csv", "*.jsonl")
    if not paths:
        raise LogError(f"The source must hold exports, found no *.parquet, *.csv or *.jsonl in {root}.")
    runs: list[Found] = []
    pages: dict[str, dict[str, tuple[Path, pl.DataFrame]]] = {}
    for path in paths:
        name = name_of(path, root).removesuffix(path.suffix)
        try:
            frame = read_table(path)
        except LogError as error:
            runs.append(Found(name, partial(_refuse, error)))
            continue
        if _PAGE_STEP in frame.columns and any(_BETWEEN in column for column in frame.columns):
            for run, metric in _page_columns(frame):
                pages.setdefault(run, {})[metric] = (path, frame)
        else:
            runs.append(Found(name, partial(_read_history, frame, path, name, mapping)))
    plain = Mapping({name: metric for name, metric in mapping.columns.items() if name not in TABLE_NAMES})
    return runs + [Found(run, partial(_read_pages, run, metrics, plain)) for run, metrics in pages.items()]


def _refuse(error: LogError) -> SourceRun:
    raise error


def _read_history(frame: pl.DataFrame, path: Path, name: str, mapping: Mapping) -> SourceRun:
    frame = frame.drop([column for column in frame.columns if column.startswith(_WANDB_KEYS)])
    if _STEP in frame.columns and "step" not in mapping.columns:
        frame = frame.drop("step", strict=False).rename({_STEP: "step"})
    return read_run(frame, path, name, mapping)


def _page_columns(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (run, metric) of each column of a page's CSV, those of its bands left out."""
    pairs = [tuple(column.rsplit(_BETWEEN, 1)) for column in frame.columns if _BETWEEN in column]
    return [(run, metric) for run, metric in pairs if not metric.endswith(("__MIN", "__MAX")) and metric != "_step"]


def _read_pages(run: str, metrics: dict[str, tuple[Path, pl.DataFrame]], mapping: Mapping) -> SourceRun:
    series: dict[str, Series] = {}
    written: dict[str, NDArray[np.int64]] = {}
    notes: tuple[str, ...] = (_SAMPLED,)
    for metric, (path, frame) in metrics.items():
        own = frame.select(pl.col(_PAGE_STEP).alias("step"), pl.col(f"{run}{_BETWEEN}{metric}").alias(metric), *PLACES)
        page = read_run(own, path, run, mapping)
        series, written, notes = series | page.series, written | page.written, notes + page.notes
    return SourceRun(run, series, notes=notes, written=written)
