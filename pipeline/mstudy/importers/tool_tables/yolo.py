"""Ultralytics YOLO: `results.csv`, a row an epoch, and `args.yaml` in a folder a run.

The training loss is the sum of its parts. SGD is Nesterov's there; batches are accumulated up to `nbs` samples; the
learning rate goes to lr0 · lrf.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from mstudy.core.errors import LogError, shown
from mstudy.core.optimizers import SGD
from mstudy.importers.mapping import Mapping
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.settings.optimizer_text import name_in
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Setting, SourceRun, name_of
from mstudy.importers.tables.frame import numbers
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run

_NOMINAL = 64  # samples of an update, unless `nbs` says another number
_LOSS = "train/loss"
_PART, _PARTS_OF_A_LOSS = "train/", "_loss"


def find_yolo(root: Path, mapping: Mapping) -> list[Found]:
    """Return the folders that hold results. Raises LogError where there is none."""
    paths = files_below(root, "results.csv")
    if not paths:
        raise LogError(f"The source must hold results of YOLO, found no results.csv in {root}.")
    names = {path: name_of(path.parent if path != root else path, root) for path in paths}
    return [Found(name, partial(_read, path, name, mapping)) for path, name in names.items()]


def _read(path: Path, name: str, mapping: Mapping) -> SourceRun:
    table = read_table(path)
    frame = table.frame
    parts = [column for column in frame.columns if column.startswith(_PART) and column.endswith(_PARTS_OF_A_LOSS)]
    notes: tuple[str, ...] = ()
    if parts and _LOSS not in frame.columns:
        total = np.sum([numbers(frame, part, path) for part in parts], axis=0)
        frame = frame.with_columns(pl.Series(_LOSS, total))
        notes = (f"{_LOSS} is the sum of {', '.join(parts)}",)
    config = _settings(settings_beside(path.parent), path)
    run = read_run(replace(table, frame=frame), path, name, mapping, config)
    return replace(run, notes=(*run.notes, *notes))


def _settings(args: dict[str, Setting], path: Path) -> dict[str, Setting]:
    """Return the arguments in the words of others."""
    config = dict(args)
    if name_in(str(config.get("optimizer", ""))) == SGD:
        config["nesterov"] = True
    batch, nominal = config.get("batch"), config.get("nbs", _NOMINAL)
    if isinstance(batch, int | float) and isinstance(nominal, int | float) and batch > 0:
        config["total_batch_size"] = int(batch * max(round(nominal / batch), 1))
        config.pop("batch")
    elif batch is not None:
        raise LogError(
            f"batch must be a number above 0, found {shown(batch)} beside {path}; give values.batch_size by --map, and "
            "leave batch out of args.yaml."
        )
    final = config.pop("lrf", 1.0)
    if final != 1.0:
        config["schedule"] = f"to {final} of lr0"
    return config
