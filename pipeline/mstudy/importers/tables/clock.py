"""The steps of a table: a column that counts updates, epochs times their updates, or both where steps begin again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError, shown
from mstudy.importers.mapping import TABLE_NAMES, Mapping, choose
from mstudy.importers.settings.names import plain
from mstudy.importers.source_run import Clock
from mstudy.importers.tables.frame import PLACES, is_numeric, numbers, row_of

_EPOCHS = ("epoch", "epochs", "train_epoch", "current_epoch", "epoch_count", "train_iter_epoch")
_CALLS = "_step"  # of W&B: it counts calls of its logger


@dataclass(frozen=True)
class Steps:
    """steps: (n,), NaN where a row has none. column: what they are read from. notes: for the user."""

    steps: NDArray[np.float64]
    column: str
    clock: Clock
    notes: tuple[str, ...] = ()


def step_column(frame: pl.DataFrame, mapping: Mapping) -> str | None:
    """Return the column of steps: as the map says, else the best of the known names that holds numbers."""
    if "step" in mapping.columns:
        return choose("step", mapping.columns, TABLE_NAMES, frame.columns)
    held = [column for column in frame.columns if column not in PLACES]
    first = choose("step", {}, TABLE_NAMES, held)
    while first is not None and not is_numeric(frame, first):
        held.remove(first)
        first = choose("step", {}, TABLE_NAMES, held)
    return first or choose("step", {}, TABLE_NAMES, frame.columns)


def epoch_column(frame: pl.DataFrame) -> str | None:
    """Return the column that counts epochs."""
    return choose("epoch", {}, {"epoch": _EPOCHS}, frame.columns)


def steps_of(
    frame: pl.DataFrame, path: Path, mapping: Mapping, per_epoch: float | None, implied: float | None
) -> Steps:
    """Return the step of each row. per_epoch: updates of an epoch, as the map gives them; implied: as settings do.

    Raises LogError where nothing says the steps, or `per_epoch` says nothing of them.
    """
    column, epoch = step_column(frame, mapping), epoch_column(frame)
    is_given = "step" in mapping.columns
    if column is None or (column == _CALLS and per_epoch is not None and epoch is not None and not is_given):
        column = epoch if not is_given else column
        if column is None or (per_epoch or implied) is None:
            raise _unknown(frame, path)
        return _whole(frame, column, path, _of_epochs(frame, column, path, per_epoch or implied or 1.0))
    found = numbers(frame, column, path)
    if epoch is not None and column != epoch and not is_given:
        within = _within_epochs(found, numbers(frame, epoch, path), per_epoch or implied, column, path)
        if within is not None:
            return _whole(frame, column, path, within)
    if per_epoch is not None:
        if is_given or column == _CALLS or plain(column) in _EPOCHS:
            return _whole(frame, column, path, _of_epochs(frame, column, path, per_epoch))
        raise LogError(
            f"steps_per_epoch must have an effect, found that {column} counts the steps in {path}; leave it out of the "
            "map, or name the column of epochs as columns.step."
        )
    clock = Clock.OF_THE_TOOL if column == _CALLS else Clock.UPDATES
    return _whole(frame, column, path, Steps(found, column, clock, _other_clock(frame, column, found, path)))


def _unknown(frame: pl.DataFrame, path: Path) -> LogError:
    columns = ", ".join([column for column in frame.columns if column not in PLACES][:8])
    return LogError(
        f"The steps must be known, found columns {shown(columns)[1:-1]} in {path}; name them by --map, columns.step, "
        "or give values.steps_per_epoch where there are epochs."
    )


def _of_epochs(frame: pl.DataFrame, column: str, path: Path, per_epoch: float) -> Steps:
    steps = np.round(numbers(frame, column, path) * per_epoch)
    return Steps(steps, column, Clock.CONVERTED, (f"steps are {column} times {per_epoch:g}",))


def _within_epochs(
    steps: NDArray[np.float64], epochs: NDArray[np.float64], per_epoch: float | None, column: str, path: Path
) -> Steps | None:
    """Return steps over all epochs where they begin again in each; None where they do not.

    Raises LogError where the updates of an epoch are not known.
    """
    known = np.isfinite(steps) & np.isfinite(epochs)
    own, of_epoch = steps[known], epochs[known]
    if len(own) < 2 or not _begins_again(own, of_epoch, per_epoch):
        return None
    per_epoch = per_epoch or _seen_per_epoch(own, of_epoch)
    if per_epoch is None:
        raise LogError(
            f"Steps must count on over epochs, found that {column} begins again in each in {path}; give "
            "values.steps_per_epoch by --map."
        )
    first = 0.0 if (of_epoch == 0).any() else 1.0
    note = f"steps are (epoch − {first:g}) · {per_epoch:g} + {column}, which begins again in each epoch"
    return Steps(np.round((epochs - first) * per_epoch) + steps, column, Clock.CONVERTED, (note,))


def _begins_again(steps: NDArray[np.float64], epochs: NDArray[np.float64], per_epoch: float | None) -> bool:
    """Return whether steps go back, or stand still, where the epoch goes on and nowhere else, in a bounded range."""
    moves, turns = np.diff(steps), np.diff(epochs)
    if not (turns >= 0).all() or not (turns > 0).any() or ((moves < 0) & (turns <= 0)).any():
        return False
    if not (moves[turns > 0] <= 0).all():
        return False
    if per_epoch is not None:
        return bool(steps.max() <= per_epoch)
    least, most = _ends_of_epochs(steps, epochs)
    return bool((least == least[0]).all() and (most[:-1] == most[0]).all() and most[-1] <= most[0])


def _ends_of_epochs(
    steps: NDArray[np.float64], epochs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    starts = np.flatnonzero(np.append(True, np.diff(epochs) > 0))
    return np.minimum.reduceat(steps, starts), np.maximum.reduceat(steps, starts)


def _seen_per_epoch(steps: NDArray[np.float64], epochs: NDArray[np.float64]) -> float | None:
    """Return the updates of an epoch where every one is logged, in every epoch; None where some are not."""
    every = np.diff(steps)[np.diff(epochs) == 0]
    least, most = _ends_of_epochs(steps, epochs)
    if len(every) == 0 or (every != 1).any() or (np.diff(epochs)[np.diff(epochs) > 0] != 1).any():
        return None
    return float(most[0] - least[0] + 1)


def _other_clock(frame: pl.DataFrame, column: str, found: NDArray[np.float64], path: Path) -> tuple[str, ...]:
    """Return a note where another column counts otherwise."""
    held = [name for name in frame.columns if name not in (column, *PLACES)]
    other = choose("step", {}, TABLE_NAMES, held)
    if other is None or not is_numeric(frame, other) or np.array_equal(numbers(frame, other, path), found, True):
        return ()
    return (f"steps are those of {column}, and {other} counts otherwise; columns.step of a map chooses",)


def _whole(frame: pl.DataFrame, column: str, path: Path, steps: Steps) -> Steps:
    """Return the steps. Raises LogError where one is no whole number, or no row has one."""
    found = steps.steps
    wrong = np.isfinite(found) & ((found != np.floor(found)) | (np.abs(found) >= 2.0**53)) | np.isinf(found)
    if not wrong.any() and len(found) and np.isnan(found).all():
        wrong = np.isnan(found)
    if wrong.any():
        row = int(wrong.argmax())
        cell = shown(frame[column][row])
        raise LogError(f"{column} must hold whole numbers, found {cell} in {path}, row {row_of(frame, row)}.")
    return steps
