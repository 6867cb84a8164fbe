"""Long names are shortened on the page: each stands there many times, and nobody reads megabytes of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from mstudy.core.files import content_digest
from mstudy.report.results import Results

MAX_NAME = 200  # characters of a name that is shown whole
_KEPT = 60  # characters of a longer one
_MAX_SENTENCE = 2000  # characters of a reason or a path among claims and problems


def short_names(results: Results, points: pl.DataFrame) -> tuple[Results, pl.DataFrame]:
    """Return results and points with long names shortened alike; different names stay different."""
    frames = {name: _shortened(frame) for name, frame in results.frames.items()}
    texts = {part: _short_texts(getattr(results, part)) for part in ("claims", "problems", "warnings")}
    return replace(results, frames=frames, **texts), _shortened(points)


def short_name(name: str) -> str:
    """Return a name, or the start of a long one and a digest."""
    return name if len(name) <= MAX_NAME else f"{name[:_KEPT]}… ({content_digest(name.encode())[:12]})"


def _shortened(frame: pl.DataFrame) -> pl.DataFrame:
    long = {
        column: [name for name in frame[column].unique() if name is not None and len(name) > MAX_NAME]
        for column, kind in frame.schema.items()
        if kind == pl.String
    }
    return frame.with_columns(
        pl.col(column).replace({name: short_name(name) for name in names}) for column, names in long.items() if names
    )


def _short_texts(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _MAX_SENTENCE else f"{value[:_MAX_SENTENCE]}…"
    if isinstance(value, dict):
        return {key: _short_texts(item) for key, item in value.items()}
    return [_short_texts(item) for item in value] if isinstance(value, list) else value
