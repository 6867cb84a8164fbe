"""JSON lines: one object a row, each with what was logged."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.errors import LogError
from mstudy.importers.tables.content import Text
from mstudy.importers.tables.frame import PLACES, Table, with_places
from mstudy.importers.tables.table_bounds import MAX_LINE_BYTES, require_bounds


def read_lines(text: Text, path: Path) -> Table:
    rows: list[int] = []
    cells: dict[str, tuple[list[int], list[Any]]] = {}  # by column: places and values, as most rows lack most of them
    notes, n_torn = text.notes, 0
    for number, line in _lines(text.content, path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            if not line.endswith(b"\n"):  # torn by a writer that was killed
                notes, n_torn = (*notes, f"the last line of {path}, which is torn, is left out"), 1
                break
            row = None
        if not isinstance(row, dict):
            raise LogError(f"Each line must be a JSON object, found {line[:40]!r} in {path}, line {number}.")
        for name, value in row.items():
            places, values = cells.setdefault(name, ([], []))
            places.append(len(rows))
            values.append(value)
        rows.append(number)
        require_bounds(len(rows), len(cells), path)
    frame = pl.DataFrame({name: _column(values, places, len(rows)) for name, (places, values) in cells.items()})
    placed = with_places(frame).with_columns(pl.Series(PLACES[0], rows if cells else [], dtype=pl.Int64))
    return Table(placed, notes, n_torn)


def _lines(content: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, with their numbers from 1."""
    for number, line in enumerate(io.BytesIO(content), 1):
        if len(line) > MAX_LINE_BYTES:
            raise LogError(f"A line must be at most {MAX_LINE_BYTES:,} bytes, found more in {path}, line {number}.")
        if line.strip():
            yield number, line


def _column(values: list[Any], places: list[int], n_rows: int) -> pl.Series:
    """Return numbers if all are, or truth values if all are; else text. A list or an object is left out, unless it
    stands among numbers.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float}:
        given = pl.Series([None if value is None else as_float(value) for value in values], dtype=pl.Float64)
    elif kinds == {bool}:
        given = pl.Series(values, dtype=pl.Boolean)
    else:
        plain = (str, bool, int, float, list, dict) if kinds & {int, float} else (str, bool)
        given = pl.Series([_text(value) if isinstance(value, plain) else None for value in values], dtype=pl.String)
    return pl.repeat(None, n_rows, dtype=given.dtype, eager=True).scatter(places, given)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
