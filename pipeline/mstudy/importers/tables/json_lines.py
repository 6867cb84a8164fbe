"""JSON lines: one object a row, each with what was logged."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.errors import LogError
from mstudy.importers.tables.content import Text
from mstudy.importers.tables.frame import PLACES, Table, with_places
from mstudy.importers.tables.table_bounds import MAX_LINE_BYTES, require_bounds


def read_lines(text: Text, path: Path) -> Table:
    """Return the table of a text. Raises LogError where a line is no object, and where there are too many."""
    torn: list[int] = []
    frame = frame_of(_objects(text.content, path, torn), path)
    notes = (*text.notes, *(f"the last line of {path}, which is torn, is left out" for _ in torn))
    return Table(frame, notes, len(torn))


def frame_of(rows: Iterable[tuple[int, Mapping[str, Any]]], path: Path) -> pl.DataFrame:
    """Return numbered rows as a frame. Raises LogError where there are too many rows or columns."""
    numbers: list[int] = []
    cells: dict[str, tuple[list[int], list[Any]]] = {}  # by column: places and values, as most rows lack most of them
    for number, row in rows:
        for name, value in row.items():
            if name not in cells:
                cells[name] = ([], [])
            places, values = cells[name]
            places.append(len(numbers))
            values.append(value)
        numbers.append(number)
        require_bounds(len(numbers), len(cells), path)
    frame = pl.DataFrame({name: _column(values, places, len(numbers)) for name, (places, values) in cells.items()})
    return with_places(frame).with_columns(pl.Series(PLACES[0], numbers if cells else [], dtype=pl.Int64))


def _objects(content: bytes, path: Path, torn: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects with the numbers of their lines; that of a torn last line is added to `torn`."""
    for number, line in _lines(content, path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            if not line.endswith(b"\n"):  # torn by a writer that was killed
                torn.append(number)
                return
            row = None
        if not isinstance(row, dict):
            raise LogError(f"Each line must be a JSON object, found {line[:40]!r} in {path}, line {number}.")
        yield number, row


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
