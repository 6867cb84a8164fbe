"""CSV, TSV, JSON lines: one run a file, or many with a column that names the run; wide, or long.

Wide: a row a step, a column a metric. Long: columns `metric` and `value`. A column that holds one value throughout a
run, and is called like a setting, is one. Files of the names in settings/files.py beside a table configure its runs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from mstudy.core.errors import LogError
from mstudy.importers.mapping import TABLE_NAMES, Mapping, choose
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, name_of, refused
from mstudy.importers.tables.content import PACKED
from mstudy.importers.tables.frame import Table
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run

FORMS = (".csv", ".tsv", ".jsonl", ".ndjson")


def patterns(*forms: str) -> list[str]:
    """Return patterns of file names of these forms, packed or not."""
    return [f"*{form}{packed}" for form in forms for packed in ("", *PACKED)]


def bare_name(path: Path, root: Path) -> str:
    """Return the path below its root without what says how it is written."""
    name = name_of(path, root)
    for packed in PACKED:
        name = name.removesuffix(packed)
    stem, dot, form = name.rpartition(".")
    return stem if dot and "/" not in form and stem and not stem.endswith("/") else name


def find_csv(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of one table, or of all below a folder. Raises LogError where there is none."""
    paths = files_below(root, *patterns(*FORMS))
    if not paths:
        raise LogError(f"The source must hold tables, found no *.csv, *.tsv, *.jsonl or *.ndjson in {root}.")
    return [run for path in paths for run in _runs_of(path, root, mapping)]


def _runs_of(path: Path, root: Path, mapping: Mapping) -> list[Found]:
    name = bare_name(path, root)
    try:
        table = read_table(path)
    except LogError as error:
        return [refused(name, error)]
    frame = table.frame
    run = choose("run", mapping.columns, TABLE_NAMES, frame.columns)
    # "name" and the like tell runs apart where they differ; a long table's metric is no run.
    if run is None or (frame[run].n_unique() < 2 and "run" not in mapping.columns):
        return [Found(name, partial(read_run, table, path, name, mapping))]
    parts = frame.partition_by(run, as_dict=True, maintain_order=True)
    return [_part(table, part.drop(run), path, f"{name}/{key}", mapping) for (key,), part in parts.items()]


def _part(table: Table, frame: pl.DataFrame, path: Path, name: str, mapping: Mapping) -> Found:
    return Found(name, partial(read_run, replace(table, frame=frame, n_torn=0), path, name, mapping))
