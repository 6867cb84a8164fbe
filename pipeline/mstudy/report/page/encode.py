"""Data for a <script> element: JSON that cannot end it, columns instead of rows, curves in 16 bits a number."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

_LEVELS = 65535


def as_json(value: Any) -> Markup:
    """Return JSON for a <script> element: no NaN, nothing that ends the element or a line of script."""
    text = json.dumps(_without_nan(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def columns(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """Return a frame as columns; floats with six digits."""
    return {
        name: [_short(v) for v in series.to_list()] if series.dtype.is_float() else series.to_list()
        for name, series in frame.to_dict().items()
    }


def spec_with_columns(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a specification whose data sets are columns: {name: {column: values}}; the page rebuilds the rows."""
    datasets = {name: _columns_of(rows) for name, rows in spec.get("datasets", {}).items()}
    return spec | {"datasets": datasets}


def _columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [_short(row.get(name)) for row in rows] for name in names}


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value


def pack(values: NDArray[np.float64], log: bool) -> list[Any]:
    """Return [lowest, highest, base64 of 16-bit places between them], in log if `log` is set.

    The error is at most 1/131,070 of the range (of its log): too small to see. values: (n,), finite.
    """
    if not len(values):
        return [0.0, 0.0, ""]
    warped = np.log(values) if log else values
    low, high = float(f"{warped.min():.7g}"), float(f"{warped.max():.7g}")
    places = np.clip(np.rint((warped - low) / max(high - low, 1e-12) * _LEVELS), 0, _LEVELS)
    return [low, high, base64.b64encode(places.astype("<u2").tobytes()).decode()]


def unpack(packed: list[Any], log: bool) -> NDArray[np.float64]:
    """Return what pack holds, (n,); the page has its own."""
    low, high, text = packed
    places = np.frombuffer(base64.b64decode(text), dtype="<u2").astype(np.float64)
    warped: NDArray[np.float64] = low + places / _LEVELS * (high - low)
    return np.minimum(np.exp(warped), np.finfo(float).max) if log else warped


def pack_steps(steps: NDArray[np.int64]) -> list[Any]:
    """Return [first step, base64 of 16-bit differences], or the plain list where there is none or one does not fit."""
    differences = np.diff(steps)
    if not len(differences) or differences.max() > _LEVELS:
        return [int(step) for step in steps]
    return [int(steps[0]), base64.b64encode(differences.astype("<u2").tobytes()).decode()]


def unpack_steps(packed: list[Any]) -> NDArray[np.int64]:
    """Return what pack_steps holds."""
    if len(packed) == 2 and isinstance(packed[1], str):
        differences = np.frombuffer(base64.b64decode(packed[1]), dtype="<u2").astype(np.int64)
        return np.concatenate([[packed[0]], packed[0] + differences.cumsum()])
    return np.array(packed, dtype=np.int64)
