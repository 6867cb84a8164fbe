"""A run of rows that are mappings, as many tools keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping as Map
from mstudy.importers.source_run import Setting, SourceRun
from mstudy.importers.tables.frame import Table
from mstudy.importers.tables.json_lines import frame_of
from mstudy.importers.tables.run_of_table import read_run


def run_of_rows(
    rows: Iterable[Mapping[str, Any]], path: Path, name: str, mapping: Map, config: dict[str, Setting]
) -> SourceRun:
    """Return the run. Raises LogError where a row holds what no table does."""
    try:
        frame = frame_of(enumerate(rows, 1), path)
    except (ValueError, TypeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise LogError(f"The rows of {path} must be plain, found {type(error).__name__} in one.") from None
    if len(frame) == 0:
        raise LogError(f"{path} must hold at least one row, found none.")
    return read_run(Table(frame), path, name, mapping, config)
