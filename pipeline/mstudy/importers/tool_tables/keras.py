"""Keras's CSVLogger: a row an epoch, `epoch` from 0, written when the epoch ends; settings in files beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Setting, SourceRun, refused
from mstudy.importers.tables.find_tables import bare_name, patterns
from mstudy.importers.tables.frame import Table
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run, stem_of

_EPOCH, _ENDED = "epoch", "epochs"


def find_keras(root: Path, mapping: Mapping) -> list[Found]:
    """Return the logs below a folder, or one. Raises LogError where there is none."""
    paths = files_below(root, *patterns(".csv", ".log", ".tsv"))
    if not paths:
        raise LogError(f"The source must hold logs of a CSVLogger, found no *.log, *.csv or *.tsv in {root}.")
    return [_found(path, root, mapping) for path in paths]


def _found(path: Path, root: Path, mapping: Mapping) -> Found:
    name = bare_name(path, root)
    try:
        table = read_table(path)
    except LogError as error:
        return refused(name, error)
    is_log = _EPOCH in table.frame.columns and len(table.frame.columns) > 2
    return Found(name, partial(_read, table, path, name, mapping), None if is_log else "that are no logs of Keras")


def _read(table: Table, path: Path, name: str, mapping: Mapping) -> SourceRun:
    if _EPOCH not in table.frame.columns:
        raise LogError(
            f"A log of Keras must have a column epoch, found {', '.join(table.frame.columns[:8])} in {path}."
        )
    epochs = table.frame[_EPOCH].cast(pl.Float64, strict=False) + 1
    frame = table.frame.with_columns(epochs.alias(_ENDED)) if _ENDED not in table.frame.columns else table.frame
    frame = frame.drop(_EPOCH)
    config = settings_beside(path.parent, stem_of(path))
    run = read_run(replace(table, frame=frame), path, name, mapping, _with_optimizer(config))
    return replace(run, notes=(*run.notes, "epochs are counted where they end: the loss is their mean"))


def _with_optimizer(config: dict[str, Setting]) -> dict[str, Setting]:
    """Return the settings with the name that an optimizer's own configuration gives."""
    return {"optimizer": config["name"]} | config if "name" in config and "learning_rate" in config else config
