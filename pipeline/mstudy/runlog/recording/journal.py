"""The journal of a run under way: JSON, one object a line, appended to; it survives the process that writes it.

A line is either `{"mstudy": {...}}`, the run's metadata, at the head of each session, or a row `{"step": 3, "loss":
0.5, ...}`. Sessions follow each other where a run was taken up again; a row removes those before it whose step is not
smaller, so the later session wins from its first step on. A last line without its end is torn and does not count.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.runlog.format.schema import JOURNAL_SUFFIX, METADATA_KEY

_REQUIRED = ("step", "loss")


@dataclass(frozen=True)
class Journal:
    """metadata: of the last session. columns: each (n_rows,), `step` int64 and increasing, NaN where not given."""

    metadata: dict[str, Any]
    columns: dict[str, NDArray[Any]]


def journal_of(path: Path) -> Path:
    """Return where the journal of the log at `path` lies while the run is under way."""
    return path.with_name(path.name.removesuffix(".parquet") + JOURNAL_SUFFIX)


def head_line(metadata: dict[str, Any]) -> bytes:
    """Return the line that opens a session."""
    return row_line({METADATA_KEY: metadata})


def row_line(row: dict[str, Any]) -> bytes:
    """Return one line. What is not finite must have become None before: JSON knows no NaN."""
    return (json.dumps(row, allow_nan=False) + "\n").encode()


def whole_length(content: bytes) -> int:
    """Return bytes up to the end of the last whole line."""
    return content.rfind(b"\n") + 1


def parse_journal(content: bytes, where: Path) -> Journal:
    """Read a journal. Raises LogError where it is none, or breaks its format."""
    metadata: dict[str, Any] | None = None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content[: whole_length(content)].splitlines(), 1):
        entry = parse_line(line, number, where)
        if isinstance(entry.get(METADATA_KEY), dict):
            metadata = entry[METADATA_KEY]
            continue
        while rows and rows[-1]["step"] >= entry["step"]:
            rows.pop()
        rows.append(entry)
    if metadata is None:
        raise LogError(f"A journal must name its run in an object {METADATA_KEY!r}, found none, in {where}.")
    return Journal(metadata, _columns(rows))


def parse_line(line: bytes, number: int, where: Path) -> dict[str, Any]:
    """Read one line, {"mstudy": {...}} or a row. Raises LogError where it is neither."""
    entry = _as_object(line, number, where)
    if not isinstance(entry.get(METADATA_KEY), dict):
        _check_row(entry, number, where)
    return entry


def _as_object(line: bytes, number: int, where: Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise LogError(f"Each line of a journal must be a JSON object, found {line[:40]!r}, in {where}, line {number}.")
    return entry


def _check_row(row: dict[str, Any], number: int, where: Path) -> None:
    for key in _REQUIRED:
        if key not in row:
            raise LogError(f"Each row of a journal must have {key}, found {sorted(row)}, in {where}, line {number}.")
    for key, value in row.items():
        if not _is_number(value, int if key == "step" else int | float) and (value is not None or key in _REQUIRED):
            raise LogError(f"{key} must be a finite number, found {value!r}, in {where}, line {number}.")
    if not 0 <= row["step"] < 2**63:
        raise LogError(f"step must be at least 0, found {row['step']}, in {where}, line {number}.")


def _is_number(value: object, kind: type | UnionType) -> bool:
    try:
        return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond all floats
        return False


def _columns(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        values = [math.nan if row.get(name) is None else row[name] for row in rows]
        columns[name] = np.array(values, dtype=np.int64 if name == "step" else np.float64)
    return columns
