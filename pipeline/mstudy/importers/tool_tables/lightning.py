"""Lightning's CSVLogger: `metrics.csv`, with rows of steps and rows of epochs, and `hparams.yaml` in a folder a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, SourceRun, name_of
from mstudy.importers.tables.content import PACKED
from mstudy.importers.tables.read_table import read_table
from mstudy.importers.tables.run_of_table import read_run


def find_lightning(root: Path, mapping: Mapping) -> list[Found]:
    """Return the folders that hold a log. Raises LogError where there is none."""
    paths = files_below(root, *(f"metrics.csv{packed}" for packed in ("", *PACKED)))
    if not paths:
        raise LogError(f"The source must hold logs of a CSVLogger, found no metrics.csv in {root}.")
    folders = {path: path.parent if path != root else path for path in paths}
    names = {path: name_of(folder, root) for path, folder in folders.items()}
    return [Found(name, partial(_read, path, name, mapping)) for path, name in names.items()]


def _read(path: Path, name: str, mapping: Mapping) -> SourceRun:
    return read_run(read_table(path), path, name, mapping)
