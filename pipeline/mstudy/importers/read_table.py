"""Tables as files: CSV, TSV, JSON lines, Parquet; every column as text or numbers, nothing evaluated."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_EMPTY_CELLS = ("", "null", "none", "na", "n/a", "-")


def read_table(path: Path) -> pl.DataFrame:
    """Return the table, its columns text, numbers or truth values; text of one column holds numbers as they were
    written.

    Raises LogError where the file is no such table.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".jsonl", ".ndjson"):
            return _read_lines(path)
        content = path.read_bytes()  # of a path polars would take brackets and stars for a pattern
        if suffix == ".parquet":
            return _plain_columns(pl.read_parquet(io.BytesIO(content)))
        frame = pl.read_csv(content, separator=_SEPARATORS[suffix], infer_schema=False, truncate_ragged_lines=False)
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LogError(f"{path} must be a whole {suffix[1:]} table, found otherwise ({reason}).") from None
    return frame.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines


def numbers(frame: pl.DataFrame, column: str, where: Path) -> NDArray[np.float64]:
    """Return the column as float64 (n,), NaN where nothing stands. Raises LogError at text that is no number."""
    series = frame[column]
    if series.dtype == pl.String:
        text = series.str.strip_chars().str.to_lowercase()
        given = ~text.is_in(_EMPTY_CELLS) & text.is_not_null()
        cast = text.set(~given, None).cast(pl.Float64, strict=False)
        wrong = given & cast.is_null()
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise LogError(f"{column} must hold numbers, found {series[row]!r} in {where}, row {row + 1}.")
        series = cast
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise LogError(f"{column} must hold numbers, found {series.dtype} in {where}.")
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def is_numeric(frame: pl.DataFrame, column: str) -> bool:
    """Return whether `numbers` would read the column and find one."""
    try:
        return bool((~np.isnan(numbers(frame, column, Path()))).any()) or bool(
            (frame[column].cast(pl.String).str.to_lowercase() == "nan").any()
        )
    except LogError:
        return False


def constant(frame: pl.DataFrame, column: str) -> str | int | float | bool | None:
    """Return the one value that the column holds wherever it holds any; None if there is none or more than one."""
    values = frame[column].drop_nulls().unique()
    value = values[0] if len(values) == 1 else None
    return value if isinstance(value, str | int | float | bool) else None


def _read_lines(path: Path) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    with path.open("rb") as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                if not line.endswith(b"\n"):  # torn by a writer that was killed
                    break
                row = None
            if not isinstance(row, dict):
                raise LogError(f"Each line must be a JSON object, found {line[:40]!r} in {path}, line {number}.")
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pl.Series:
    """Return numbers if all are; else text, where what is neither is left out."""
    if all(value is None or isinstance(value, int | float) for value in values):
        return pl.Series([None if value is None else _float(value) for value in values], dtype=pl.Float64)
    plain = [str(value) if isinstance(value, str | int | float) else None for value in values]
    return pl.Series(plain, dtype=pl.String)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the columns that are neither text nor numbers: histograms, media."""
    plain = [n for n, t in frame.schema.items() if t.is_numeric() or t in (pl.String, pl.Boolean, pl.Null)]
    return frame.select(plain)
