"""A run as another tool logged it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.core.statuses import RunStatus

Setting = str | int | float | bool

MAX_BYTES = 1 << 20  # of a small file that describes a run; a larger one describes none
MAX_SETTINGS = 10_000


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
    """

    name: str
    series: dict[str, Series]
    config: dict[str, Setting] = field(default_factory=dict)
    status: RunStatus = RunStatus.COMPLETED
    notes: tuple[str, ...] = ()
    written: dict[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A run that a source names, to be read when its turn comes; `read` raises LogError where it is bad."""

    name: str
    read: Callable[[], SourceRun]


def later_wins(steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows stay, in the order written, when each removes those before it whose step is not smaller;
    (n,).
    """
    if len(steps) == 0:
        return np.zeros(0, dtype=bool)
    least_after = np.minimum.accumulate(steps[::-1])[::-1]
    return np.append(steps[:-1] < least_after[1:], True)


def flatten(settings: object, prefix: str = "") -> dict[str, Setting]:
    """Flatten nested mappings, keys joined by dots; what is neither text, number nor truth value is left out."""
    flat: dict[str, Setting] = {}
    todo: list[tuple[str, object]] = [(prefix, settings)]
    for visited in range(MAX_SETTINGS):
        if not todo:
            break
        key, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{key}.{name}" if key else str(name), part) for name, part in value.items()]
        elif isinstance(value, Setting) and key:
            flat[key] = value
        if visited == MAX_SETTINGS - 1:
            raise LogError(f"A run's configuration must have at most {MAX_SETTINGS} entries, found more.")
    return flat


def files_below(root: Path, *patterns: str) -> list[Path]:
    """Return plain files below the folder, or the file itself; a link that leads out of the folder is passed over."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise LogError(f"The source must exist, found nothing at {root}.")
    home = root.resolve()
    paths = {path for pattern in patterns for path in root.rglob(pattern)}
    return sorted(p for p in paths if p.is_file() and p.resolve().is_relative_to(home))


def name_of(path: Path, root: Path) -> str:
    """Return the path below its root, as text."""
    name = path.relative_to(root).as_posix() if path != root else path.name
    return root.resolve().name if name == "." else name
