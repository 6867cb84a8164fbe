"""The losses of a log: up to where the run diverged, without the NaN that stand for "not logged"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.source_run import Series
from mstudy.runlog.format.schema import MAX_STEP

_USUAL_SHARE = 0.25  # of the rows: NaN that come so often, before others, are how a writer says "not logged"


def until_diverged(metric: str, loss: Series) -> tuple[Series, int | None, list[str]]:
    """Return the losses before the run diverged, the step at which it did, and what is to be said of the others.

    Raises LogError where no loss is left, or a step is none of a log.
    """
    if len(loss.steps) == 0:
        raise LogError("the loss must have at least one value, found none.")
    if loss.steps[0] < 0:
        raise LogError(f"step must be at least 0, found {loss.steps[0]}.")
    if loss.steps[-1] > MAX_STEP:
        raise LogError(f"step must be at most {MAX_STEP}, found {loss.steps[-1]}.")
    blank = _not_logged(loss.values)
    notes = [f"{blank.sum()} rows whose {metric} is NaN are left out as not logged"] if blank.any() else []
    loss = Series(loss.steps[~blank], loss.values[~blank])
    bad = ~np.isfinite(loss.values)
    if not bad.any():
        return loss, None, notes
    first = int(bad.argmax())
    if first == 0:
        raise LogError(f"the loss must be finite at first, found {loss.values[0]} at step {loss.steps[0]}.")
    notes.append(
        f"{len(bad) - first} rows from step {loss.steps[first]} on, where {metric} is not finite, are left out"
    )
    return Series(loss.steps[:first], loss.values[:first]), int(loss.steps[first]), notes


def _not_logged(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the NaN before a finite value; and those at the end if such come often, and as many in a row."""
    nan, finite = np.isnan(values), np.flatnonzero(np.isfinite(values))
    if len(finite) == 0 or not nan.any():
        return np.zeros(len(values), dtype=bool)
    last = int(finite[-1])
    blank: NDArray[np.bool_] = nan & (np.arange(len(values)) < last)
    n_at_end = len(values) - 1 - last
    is_usual = blank.sum() >= _USUAL_SHARE * last and nan[last + 1 :].all()
    if is_usual and n_at_end <= _longest(blank):
        blank |= nan
    return blank


def _longest(marks: NDArray[np.bool_]) -> int:
    """Return the length of the longest stretch of marks."""
    borders = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]])))
    return int((borders[1::2] - borders[::2]).max(initial=0))
