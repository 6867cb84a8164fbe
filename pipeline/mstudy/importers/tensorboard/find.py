"""TensorBoard: a run is a folder with event files, `*tfevents*`; its name is the folder's path."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.row_order import in_order
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Series, Setting, SourceRun, name_of
from mstudy.importers.tensorboard.event_file import EventFile, read_event_file
from mstudy.importers.tensorboard.folders import Run, runs_of


def find_tensorboard(root: Path) -> list[Found]:
    """Return the runs below a folder, or of one event file. Raises LogError where there are none."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in files_below(root, "*tfevents*"):
        folders[path.parent].append(path)
    if not folders:
        raise LogError(f"The source must hold TensorBoard's event files, found no *tfevents* in {root}.")
    home = root if root.is_dir() else root.parent
    runs = runs_of(folders, home)
    return [
        Found(name_of(folder, home), partial(_read_run, folder, run, name_of(folder, home)))
        for folder, run in runs.items()
    ]


def merge_files(files: list[EventFile]) -> dict[str, Series]:
    """Return one run's series from its files, in the order of their first events.

    A file that logs again what an earlier one logged is a restart: it wins from its first step on, for all tags.
    """
    parts: dict[str, list[Series]] = defaultdict(list)
    for file in sorted(files, key=lambda f: f.wall_time):
        new = file.series()
        again = [int(new[tag].steps.min()) for tag in new if tag in parts and len(new[tag].steps)]
        if again:
            parts = defaultdict(list, {tag: [_before(part, min(again)) for part in old] for tag, old in parts.items()})
        for tag, part in new.items():
            parts[tag].append(part)
    return in_order({tag: _joined(some) for tag, some in parts.items()})


def _read_run(folder: Path, run: Run, name: str) -> SourceRun:
    series: dict[str, Series] = {}
    written: dict[str, NDArray[np.int64]] = {}
    config: dict[str, Setting] = settings_beside(folder)
    notes: list[str] = []
    for path in run.sessions:
        config |= read_event_file(path).hparams
    for part in run.parts:
        read = [read_event_file(path) for path in part.files]
        steps = _written(read)
        config |= settings_beside(part.folder) if part.folder != folder else {}
        for file in read:
            config |= file.hparams
        for tag, own in merge_files(read).items():
            named = f"{part.before}{tag}{part.behind}"
            named = f"{part.folder.name}/{tag}" if named in series else named
            series[named], written[named] = own, steps[tag]
        notes += [
            f"the tail of {path} from byte {file.torn[0]} on, which is torn, is left out"
            for path, file in zip(part.files, read, strict=True)
            if file.torn
        ]
    return SourceRun(name, series, config, notes=tuple(notes), written=written)


def _written(files: list[EventFile]) -> dict[str, NDArray[np.int64]]:
    """Return the steps of each tag in all files, whatever restarts take of them."""
    tags = {tag for file in files for tag in file.tags()}
    return {tag: np.concatenate([file.steps_of(tag) for file in files]) for tag in tags}


def _before(part: Series, step: int) -> Series:
    keep = part.steps < step
    return Series(part.steps[keep], part.values[keep])


def _joined(parts: list[Series]) -> Series:
    steps = np.concatenate([part.steps for part in parts])
    return Series(steps, np.concatenate([part.values for part in parts]))
