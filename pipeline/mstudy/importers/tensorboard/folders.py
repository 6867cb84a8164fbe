"""Which folders of event files are one run.

* A folder below a run's that `add_hparams` made holds settings alone.
* `add_scalars("loss", {"train": ..., "val": ...})` makes a folder `loss_train` and one `loss_val`, in each of them the
  tag `loss`; in the run they are `loss/train` and `loss/val`.
* Keras and TensorFlow write `train` and `validation`: the tags of the first keep their names, the others' follow that
  of their folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.importers.mapping import COLUMN_NAMES
from mstudy.importers.settings.names import plain
from mstudy.importers.tensorboard.event_file import first_tag, read_event_file

_TRAINING = {"train", "training"}
_HELD_OUT = {"val", "valid", "validation", "eval", "evaluation", "test", "testing"}
_KNOWN = {name for names in COLUMN_NAMES.values() for name in names} | _TRAINING | _HELD_OUT
_MAX_SESSION_BYTES = 1 << 16
Files = Mapping[Path, list[Path]]


@dataclass(frozen=True)
class Part:
    """Event files of one folder. before, behind: what is put around the names of their tags."""

    folder: Path
    files: list[Path]
    before: str = ""
    behind: str = ""


@dataclass
class Run:
    """Parts of one run, and files that hold its hyperparameters alone."""

    parts: list[Part] = field(default_factory=list)
    sessions: list[Path] = field(default_factory=list)


def runs_of(folders: Files, root: Path) -> dict[Path, Run]:
    """Return the runs that the folders make, by their own folder."""
    splits = _splits(folders, root)
    homes = set(folders) | {folder.parent for folder in splits}
    runs: dict[Path, Run] = defaultdict(Run)
    of_scalars = _folders_of_scalars(folders)
    for folder, files in folders.items():
        home = folder.parent
        if home in homes and home != folder and folder not in splits and _is_session(files):
            runs[home].sessions += files
        elif folder in splits:
            name = folder.name
            is_training = plain(name) in _TRAINING
            runs[home].parts.append(Part(folder, files, "" if is_training else f"{name}/"))
        elif folder in of_scalars:
            runs[home].parts.append(Part(folder, files, behind=f"/{of_scalars[folder]}"))
        else:
            runs[folder].parts.insert(0, Part(folder, files))
    return {folder: run for folder, run in runs.items() if run.parts}


def _splits(folders: Files, root: Path) -> set[Path]:
    """Return the folders of training and of held-out data, where both are there, or their own folder has events."""
    named = [folder for folder in folders if folder != root and plain(folder.name) in _TRAINING | _HELD_OUT]
    beside: dict[Path, list[str]] = defaultdict(list)
    for folder in named:
        beside[folder.parent].append(plain(folder.name))
    return {
        folder
        for folder in named
        if folder.parent in folders
        or (set(beside[folder.parent]) & _TRAINING and set(beside[folder.parent]) & _HELD_OUT)
    }


def _folders_of_scalars(folders: Files) -> dict[Path, str]:
    """Return the folders that `add_scalars` made, and which of its names each has.

    Where none of the names beside each other is one of a metric or of a part of the data, they are names of runs.
    """
    found: dict[tuple[Path, str], dict[Path, str]] = defaultdict(dict)
    for folder, files in folders.items():
        if folder.parent in folders:
            tag = first_tag(files[0])
            start = "" if tag is None else f"{tag.replace('/', '_')}_"
            if tag is not None and folder.name.startswith(start):
                found[folder.parent, tag][folder] = folder.name.removeprefix(start)
    groups = [group for group in found.values() if {plain(name) for name in group.values()} & _KNOWN]
    return {folder: name for group in groups for folder, name in group.items()}


def _is_session(files: list[Path]) -> bool:
    """Return whether `add_hparams` made the folder: one small file that names hyperparameters, of one step."""
    try:
        if len(files) != 1 or files[0].stat().st_size >= _MAX_SESSION_BYTES:
            return False
        file = read_event_file(files[0])
    except (LogError, OSError):
        return False
    return bool(file.hparams) and all(len(file.steps_of(tag)) <= 1 for tag in file.tags())
