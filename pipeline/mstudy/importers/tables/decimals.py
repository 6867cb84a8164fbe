"""Numbers with a decimal comma, as spreadsheets of many countries write them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mstudy.core.errors import LogError, shown

_COMMA = r"^\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*$"
_THOUSANDS = r"^\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*$"  # also a number of three decimals
_BOTH = r"^\s*[-+]?\d{1,3}(?:\.\d{3})+,\d+\s*$"


def with_points(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return the table with points for decimal commas.

    Raises LogError where a comma may stand for a point or part thousands, and where a file has both marks.
    """
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    of_commas = [name for name in texts if _any(frame, name, _COMMA)]
    both = next((name for name in texts if _any(frame, name, _BOTH)), None)
    if both is not None:
        raise _unclear(frame, both, _BOTH, path)
    if not of_commas:
        return frame
    if not any((frame[name].str.contains(_COMMA) & ~frame[name].str.contains(_THOUSANDS)).any() for name in of_commas):
        raise _unclear(frame, of_commas[0], _THOUSANDS, path)
    points = [
        pl.when(pl.col(name).str.contains(_COMMA)).then(pl.col(name).str.replace(",", ".")).otherwise(pl.col(name))
        for name in of_commas
    ]
    return frame.with_columns(points)


def _any(frame: pl.DataFrame, name: str, pattern: str) -> bool:
    return bool(frame[name].str.contains(pattern).any())


def _unclear(frame: pl.DataFrame, name: str, pattern: str, path: Path) -> LogError:
    cells = frame[name].filter(frame[name].str.contains(pattern).fill_null(False))
    return LogError(
        f"{name} must hold numbers with a decimal point, found {shown(cells[0])} in {path}, of which the comma may be "
        "a decimal one or part thousands; write the numbers with points."
    )
