"""DVCLive: in a folder a run, a table for each metric below `plots/metrics/` (or `scalars/`), and `params.yaml`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.mapping import TABLE_NAMES, Mapping
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Clock, Found, Series, SourceRun, name_of
from mstudy.importers.tables.frame import PLACES
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run

_PLACES = (("plots", "metrics"), ("scalars",))
_STEP, _TIME = "step", "timestamp"


def find_dvclive(root: Path, mapping: Mapping) -> list[Found]:
    """Return the folders of DVCLive below a folder. Raises LogError where there is none."""
    runs: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in files_below(root, "*.tsv", "*.csv"):
        place = _place(path, root)
        if place is not None:
            runs[place[0]][place[1]] = path
    if not runs:
        raise LogError(f"The source must be a folder of DVCLive, found no plots/metrics/*.tsv in {root}.")
    return [
        Found(name_of(folder, root), partial(_read, folder, tables, name_of(folder, root), mapping))
        for folder, tables in sorted(runs.items())
    ]


def _place(path: Path, root: Path) -> tuple[Path, str] | None:
    """Return the run's folder and the metric's name; None of a table that lies elsewhere."""
    if not path.is_relative_to(root) or path == root:
        return None
    parts = path.relative_to(root).parts[:-1]
    for place in _PLACES:
        for k in range(len(parts) - len(place) + 1):
            if parts[k : k + len(place)] == place:
                metric = "/".join([*parts[k + len(place) :], path.stem])
                return root.joinpath(*parts[:k]), metric
    return None


def _read(folder: Path, tables: dict[str, Path], name: str, mapping: Mapping) -> SourceRun:
    series: dict[str, Series] = {}
    written: dict[str, NDArray[np.int64]] = {}
    notes: dict[str, None] = {}
    n_left_out = 0
    plain = replace(mapping, columns={key: each for key, each in mapping.columns.items() if key not in TABLE_NAMES})
    plain = replace(plain, values={k: v for k, v in plain.values.items() if k != "steps_per_epoch"}, runs={})
    for metric, path in tables.items():
        table = read_table(path)
        own = [column for column in table.frame.columns if column not in (_STEP, _TIME, *PLACES)]
        if _STEP not in table.frame.columns or len(own) != 1:
            raise LogError(f"A table of DVCLive must have the columns step and one metric, found {own[:8]} in {path}.")
        frame = table.frame.select(_STEP, table.frame[own[0]].alias(metric), *PLACES)
        part = read_run(replace(table, frame=frame), path, name, plain, {})
        series, written = series | part.series, written | part.written
        notes |= dict.fromkeys(part.notes)
        n_left_out += part.n_left_out
    config = settings_beside(folder)
    return SourceRun(name, series, config, notes=tuple(notes), written=written, clock=Clock.OF_THE_TOOL)
