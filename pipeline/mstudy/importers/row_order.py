"""Rows in the order of steps, and what is told of those that do not stay.

A table whose steps never come again is merely unsorted. Where a step comes again later, with another value, the run
was begun again from there: the later rows win.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.source_run import Series, later_wins

MAX_LOST_SHARE = 0.5  # of a metric's steps; beyond, the rows are rather out of order than logged by restarts
_FEW_STEPS = 10  # of a metric beside the loss that is logged so rarely that one restart may take most of it


def in_order(series: Mapping[str, Series]) -> dict[str, Series]:
    """Return one run's series, given as written, with increasing steps."""
    order = _later_rows if any(_is_restarted(each) for each in series.values()) else _sorted_rows
    return {name: order(each) for name, each in series.items()}


def lost_rows(metric: str, written: NDArray[np.int64], kept: NDArray[np.int64]) -> str | None:
    """Return a note on the rows of a metric that are left out; None where all stay. written, kept: steps."""
    n_left_out = len(written) - len(kept)
    if n_left_out == 0:
        return None
    return (
        f"{n_left_out} of {len(written)} rows of {metric} are left out: a later row has the same step, or a restart "
        f"goes back to before them; {_n_lost(written, kept)} steps are lost by that"
    )


def require_kept(metric: str, is_loss: bool, written: NDArray[np.int64], kept: NDArray[np.int64]) -> None:
    """Raise LogError where restarts, if they are any, cost more than MAX_LOST_SHARE of a metric's steps."""
    n_steps, n_lost = len(np.unique(written)), _n_lost(written, kept)
    if n_lost > MAX_LOST_SHARE * n_steps and (is_loss or n_lost >= _FEW_STEPS):
        raise LogError(
            f"Restarts must leave at least half of the steps of {metric}, found {n_lost} of {n_steps} steps lost by "
            "rows out of order that repeat a step with another value; sort the rows, or say by --map, "
            "values.restarts = true, that they are restarts."
        )


def _n_lost(written: NDArray[np.int64], kept: NDArray[np.int64]) -> int:
    return len(np.unique(written)) - len(np.unique(kept))


def _is_restarted(series: Series) -> bool:
    """Return whether a step comes again, with another value and not in the next row."""
    order = np.argsort(series.steps, kind="stable")
    steps, values = series.steps[order], series.values[order]
    alike = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return bool(((steps[1:] == steps[:-1]) & ~alike & (np.diff(order) > 1)).any())


def _later_rows(series: Series) -> Series:
    keep = later_wins(series.steps)
    return Series(series.steps[keep], series.values[keep])


def _sorted_rows(series: Series) -> Series:
    """Sort by step; of rows of one step the last one stays."""
    order = np.argsort(series.steps, kind="stable")
    steps, values = series.steps[order], series.values[order]
    last = np.append(steps[1:] != steps[:-1], True)[: len(steps)]
    return Series(steps[last], values[last])
