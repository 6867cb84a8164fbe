"""Hugging Face's Trainer: `trainer_state.json`, which each checkpoint holds up to its step, and training_args.json.

training_args.bin is a pickle, and not read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError
from mstudy.importers.documents.document import read_document
from mstudy.importers.mapping import Mapping
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Clock, Found, SourceRun, name_of
from mstudy.importers.tables.run_of_rows import run_of_rows

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_SUMMARY = "train_runtime"  # in the last row, whose loss is the mean over the whole training
_ONE_PROCESS = "the batch size is that of one process unless the settings say how many there were"


def find_huggingface(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder, or that of one file; of the checkpoints of a run, the last.

    Raises LogError where there is none.
    """
    paths = files_below(root, "trainer_state.json", "trainer_state.json.gz")
    if not paths:
        raise LogError(f"The source must hold the states of a Trainer, found no trainer_state.json in {root}.")
    runs: dict[Path, list[Path]] = {}
    for path in paths:
        runs.setdefault(_folder(path, root), []).append(path)
    names = {folder: name_of(folder, root) for folder in runs}
    return [
        Found(names[folder], partial(_read, max(some, key=_step), len(some), folder, names[folder], mapping))
        for folder, some in runs.items()
    ]


def _folder(path: Path, root: Path) -> Path:
    if path == root:
        return path
    is_checkpoint = _CHECKPOINT.fullmatch(path.parent.name) is not None and path.parent != root
    return path.parent.parent if is_checkpoint else path.parent


def _step(path: Path) -> tuple[bool, int]:
    """Return what orders the states of a run: the one beside the checkpoints was written when it ended."""
    match = _CHECKPOINT.fullmatch(path.parent.name)
    return match is None, int(match[1][:15]) if match is not None else 0


def _read(path: Path, n_states: int, folder: Path, name: str, mapping: Mapping) -> SourceRun:
    rows = read_document(path).get("log_history")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LogError(f"A Trainer's state must have a list log_history of rows, found none in {path}.")
    kept: list[dict[str, Any]] = [row for row in rows if _SUMMARY not in row]
    config = settings_beside(folder if folder.is_dir() else folder.parent) | settings_beside(path.parent)
    run = run_of_rows(kept, path, name, mapping, config)
    notes = [*run.notes, _ONE_PROCESS]
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows that sum the training up are left out")
    if n_states > 1:
        notes.append(f"{path} is read, the last of {n_states} states of this run")
    return replace(run, notes=tuple(notes), n_left_out=run.n_left_out + len(rows) - len(kept), clock=_clock(run))


def _clock(run: SourceRun) -> Clock:
    return Clock.UPDATES if run.clock == Clock.OF_THE_TOOL else run.clock
