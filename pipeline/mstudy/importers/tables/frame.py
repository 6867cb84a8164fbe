"""A table in memory: its cells, and where in a file each row stood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError, shown

PLACES = ("\0row", "\0cut")  # columns that are added: each row's place in the file, the column its line breaks off in
_ROW, _CUT = PLACES
_EMPTY_CELLS = ("", "null", "none", "na", "n/a", "-")


@dataclass(frozen=True)
class Table:
    """frame: its columns text, numbers or truth values, and the columns PLACES. notes: for the user.

    n_torn: rows at its end of which too little is left to be rows.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    n_torn: int = 0


def row_of(frame: pl.DataFrame, place: int) -> int:
    """Return the row of the file, from 1, that a place in the frame holds."""
    return int(frame[_ROW][place])


def column_cut(frame: pl.DataFrame) -> str | None:
    """Return the column in which the file's last row, if it is in the frame, breaks off."""
    return None if len(frame) == 0 else frame[_CUT][-1]


def with_places(frame: pl.DataFrame, cut: str | None = None) -> pl.DataFrame:
    row = pl.int_range(1, pl.len() + 1)
    return frame.with_columns(row.alias(_ROW)).with_columns(
        pl.when(row == pl.len()).then(pl.lit(cut, dtype=pl.String)).otherwise(None).alias(_CUT)
    )


def numbers(frame: pl.DataFrame, column: str, where: Path) -> NDArray[np.float64]:
    """Return the column as float64 (n,), NaN where nothing stands. Raises LogError at text that is no number."""
    series = frame[column]
    if series.dtype == pl.String:
        text = series.str.strip_chars().str.to_lowercase()
        given = ~text.is_in(_EMPTY_CELLS) & text.is_not_null()
        cast = text.set(~given, None).cast(pl.Float64, strict=False)
        wrong = given & cast.is_null()
        if wrong.any():
            raise _no_number(frame, column, int(wrong.arg_max() or 0), where)
        series = cast
    if series.dtype == pl.Boolean and series.is_not_null().any():
        raise _no_number(frame, column, int(series.is_not_null().arg_max() or 0), where)
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _no_number(frame: pl.DataFrame, column: str, place: int, where: Path) -> LogError:
    cell = frame[column][place]
    found = str(cell).lower() if isinstance(cell, bool) else shown(cell)
    return LogError(
        f"{column} must hold numbers, found {found} in {where}, row {row_of(frame, place)}; mend the cell, or name "
        "another column by --map."
    )


def is_numeric(frame: pl.DataFrame, column: str) -> bool:
    """Return whether `numbers` would read the column and find one."""
    try:
        return bool((~np.isnan(numbers(frame, column, Path()))).any()) or bool(
            (frame[column].cast(pl.String).str.to_lowercase() == "nan").any()
        )
    except LogError:
        return False


def constant(frame: pl.DataFrame, column: str) -> str | int | float | bool | None:
    """Return the one value that the column holds wherever it holds any; None if there is none or more than one.

    0.1 and 0.10 are one.
    """
    values = frame[column].drop_nulls().unique(maintain_order=True)
    as_numbers = values.cast(pl.Float64, strict=False) if values.dtype == pl.String else values
    if as_numbers.null_count() == 0 and as_numbers.n_unique() == 1:
        values = values[:1]
    value = values[0] if len(values) == 1 else None
    return value if isinstance(value, str | int | float | bool) else None
