"""A run as another tool logged it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.core.statuses import RunStatus

Setting = str | int | float | bool

MAX_BYTES = 1 << 20  # of a small file that describes a run; a larger one describes none
MAX_SETTINGS = 10_000
_MAX_SHOWN = 20  # entries of a list that stands as text
# Names of settings that are lists, of which the text is kept: they change the effective learning rate.
LISTS = frozenset(
    {"betas", "devices", "gpus", "milestones", "lr_milestones", "lr_steps", "lr_sched_epochs", "lr_sched_factors"}
)


class Clock(Enum):
    """What the steps of a run count.

    OF_THE_TOOL: what its writer handed to the tool, updates or epochs. UPDATES: updates. CONVERTED: updates, worked out
    from epochs.
    """

    OF_THE_TOOL = "of the tool"
    UPDATES = "updates"
    CONVERTED = "converted"


@dataclass(frozen=True)
class Series:
    """One metric: steps (n,) int64, increasing unless it says "as written"; values (n,) float64."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class SourceRun:
    """A run, its series in the order of steps.

    name: of the run in its source, no more than a label. config: flat, keys joined by dots. notes: for the user.
    written: the steps of each series as its source has them, so that what did not stay can be counted; a series that
    is not in it is whole.
    clock: what its steps count. clock_name: the column or metric that they are read from, where it is not the tool's.
    n_left_out: rows of the source that have become no part of any series.
    """

    name: str
    series: dict[str, Series]
    config: dict[str, Setting] = field(default_factory=dict)
    status: RunStatus = RunStatus.COMPLETED
    notes: tuple[str, ...] = ()
    written: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    clock: Clock = Clock.OF_THE_TOOL
    clock_name: str | None = None
    n_left_out: int = 0


@dataclass(frozen=True)
class Found:
    """A run that a source names, to be read when its turn comes; `read` raises LogError where it is bad.

    left_out: why it is not to be read, as one that was deleted.
    """

    name: str
    read: Callable[[], SourceRun]
    left_out: str | None = None


def refused(name: str, error: LogError) -> Found:
    """Return a run that is bad."""

    def read() -> SourceRun:
        raise error

    return Found(name, read)


def later_wins(steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows stay, in the order written, when each removes those before it whose step is not smaller;
    (n,).
    """
    if len(steps) == 0:
        return np.zeros(0, dtype=bool)
    least_after = np.minimum.accumulate(steps[::-1])[::-1]
    return np.append(steps[:-1] < least_after[1:], True)


def flatten(settings: object, prefix: str = "") -> dict[str, Setting]:
    """Flatten nested mappings, keys joined by dots; of lists those named in LISTS stay, as text; the rest is left out.

    Raises LogError beyond MAX_SETTINGS entries, those that wait counted as well: a mapping may hold itself.
    """
    flat: dict[str, Setting] = {}
    todo: list[tuple[str, object]] = [(prefix, settings)]
    n_entries = 0
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            n_entries += len(value)
            if n_entries > MAX_SETTINGS:
                raise LogError(f"A run's configuration must have at most {MAX_SETTINGS} entries, found more.")
            todo += [(f"{key}.{name}" if key else str(name), part) for name, part in value.items()]
        elif isinstance(value, Setting) and key:
            flat[key] = value
        elif isinstance(value, list | tuple) and key.rpartition(".")[2].lower() in LISTS:
            flat[key] = str(list(value[:_MAX_SHOWN]))
    return flat


def name_of(path: Path, root: Path) -> str:
    """Return the path below its root, as text."""
    name = path.relative_to(root).as_posix() if path != root else path.name
    return root.resolve().name if name == "." else name
