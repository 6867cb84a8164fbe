"""A last row whose line has no end: its writer was killed before it, or never ends a file with one.

The row is left out where a number in it could go on. It stays where its last cell is the step that the rows before it
lead one to expect, or has the decimals of the other cells of its column.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from mstudy.importers.tables.frame import PLACES, column_cut

_MIN_ROWS_IN_ORDER = 3  # before a last row that is not: fewer do not show an order
_MIN_DECIMALS = 4  # that a column must have to show how its numbers are written
_NUMBER = re.compile(r"\s*[-+]?\d*\.?(\d*)(?:[eE][-+]?\d{2,})?\s*")
_WORDS = ("nan", "inf", "-inf", "infinity", "-infinity")


def why_torn(frame: pl.DataFrame, step: str | None, path: Path) -> str | None:
    """Return a note on the last row of the frame where it is to be left out as torn; None where it stays."""
    column = column_cut(frame)
    if column is None:
        return None
    if step is not None and _is_behind(frame[step]):
        return (
            f"the last row of {path}, which has no end of line, is left out as torn: its step is not beyond the others"
        )
    if column not in frame.columns or (column == step and _goes_on(frame[step])):
        return None
    is_last = column == [name for name in frame.columns if name not in PLACES][-1]
    if is_last and _is_complete(frame[column]):
        return None
    return f"the last row of {path}, which has no end of line, is left out as torn: its {column} could go on"


def _numbers(cells: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return cells.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _is_behind(cells: pl.Series) -> bool:
    """Return whether the last step lies before those of rows that are in order."""
    steps = _numbers(cells)
    return len(steps) > _MIN_ROWS_IN_ORDER and bool((np.diff(steps[:-1]) > 0).all()) and not steps[-1] > steps[-2]


def _goes_on(cells: pl.Series) -> bool:
    """Return whether the last step lies as far from the one before as those before lie from each other."""
    gaps = np.diff(_numbers(cells))
    return len(gaps) > 1 and bool((gaps == gaps[0]).all())


def _is_complete(cells: pl.Series) -> bool:
    """Return whether the last cell is as long as a number of this column can be, or is none like the others."""
    last, others = cells[-1], cells[:-1].drop_nulls()
    if last is None or not str(last).strip():
        return len(others) <= len(cells) // 2
    text = str(last).strip()
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text.lower() in _WORDS or bool(np.isnan(_numbers(others)).all())
    decimals = others.str.extract(r"\.(\d+)", 1).str.len_chars().fill_null(0).max()
    return isinstance(decimals, int) and len(match[1]) >= decimals >= _MIN_DECIMALS and "." in text
