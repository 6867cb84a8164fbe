"""Tables as files: CSV, TSV, JSON lines, Parquet; every column as text or numbers, nothing evaluated."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from mstudy.core.errors import LogError, shown
from mstudy.core.outside import require_plain
from mstudy.importers.table_bounds import (
    MAX_BYTES,
    MAX_LINE_BYTES,
    require_bounds,
    require_bounds_of_parquet,
    require_bounds_of_text,
)

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
PLACES = ("\0row", "\0cut")  # columns that are added: each row's place in the file, whether its line has no end
_ROW, _CUT = PLACES
_EMPTY_CELLS = ("", "null", "none", "na", "n/a", "-")


def read_table(path: Path) -> pl.DataFrame:
    """Return the table, its columns text, numbers or truth values; text of one column holds numbers as they were
    written. The columns PLACES are added.

    Raises LogError where the file is no such table.
    """
    suffix = path.suffix.lower()
    try:
        require_plain(path, MAX_BYTES, LogError)
        if suffix in (".jsonl", ".ndjson"):
            return _read_lines(path)
        content = path.read_bytes()  # of a path polars would take brackets and stars for a pattern
        if suffix == ".parquet":
            require_bounds_of_parquet(content, path)
            return _with_places(_plain_columns(pl.read_parquet(io.BytesIO(content))))
        require_bounds_of_text(content, _SEPARATORS[suffix], path)
        frame = pl.read_csv(content, separator=_SEPARATORS[suffix], infer_schema=False, truncate_ragged_lines=False)
    except (
        OSError,
        ValueError,
        TypeError,
        RecursionError,
        MemoryError,
        pa.ArrowException,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LogError(f"{path} must be a whole {suffix[1:]} table, found otherwise ({reason}).") from None
    blank = pl.all_horizontal(pl.exclude(PLACES).is_null())
    return _with_places(frame, is_cut=not content.endswith(b"\n")).filter(~blank)


def row_of(frame: pl.DataFrame, place: int) -> int:
    """Return the row of the file, from 1, that a place in the frame holds."""
    return int(frame[_ROW][place])


def is_cut(frame: pl.DataFrame) -> bool:
    """Return whether the last row is the last line of a file, which has no end."""
    return len(frame) > 0 and bool(frame[_CUT][-1])


def _with_places(frame: pl.DataFrame, is_cut: bool = False) -> pl.DataFrame:
    row = pl.int_range(1, pl.len() + 1)
    return frame.with_columns(row.alias(_ROW), ((row == pl.len()) & is_cut).alias(_CUT))


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


def _read_lines(path: Path) -> pl.DataFrame:
    rows: list[int] = []
    cells: dict[str, tuple[list[int], list[Any]]] = {}  # by column: places and values, as most rows lack most of them
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            if not line.endswith(b"\n"):  # torn by a writer that was killed
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
    return _with_places(frame).with_columns(pl.Series(_ROW, rows if cells else [], dtype=pl.Int64))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, with their numbers from 1."""
    number = 0
    with path.open("rb") as source:
        while line := source.readline(MAX_LINE_BYTES + 1):
            number += 1
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
        given = pl.Series([None if value is None else _float(value) for value in values], dtype=pl.Float64)
    elif kinds == {bool}:
        given = pl.Series(values, dtype=pl.Boolean)
    else:
        plain = (str, bool, int, float, list, dict) if kinds & {int, float} else (str, bool)
        given = pl.Series([_text(value) if isinstance(value, plain) else None for value in values], dtype=pl.String)
    return pl.repeat(None, n_rows, dtype=given.dtype, eager=True).scatter(places, given)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the columns that are neither text nor numbers: histograms, media."""
    plain = [n for n, t in frame.schema.items() if t.is_numeric() or t in (pl.String, pl.Boolean, pl.Null)]
    return frame.select(plain)
