"""Tables of openings and of rises for experiments in which each pair parts once and each run sharpens once."""

from __future__ import annotations

import polars as pl
from mstudy.core.statuses import PARTED_OR_DIVERGED, EventKind, SharpeningStatus
from mstudy.tables.contracts import OPENINGS, SHARPENING_EVENTS


def lasting_moments(partings: pl.DataFrame, sharpenings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return tables.OPENINGS and tables.SHARPENING_EVENTS: each parting stays open, each sharpening stays."""
    openings = partings.filter(pl.col("status").is_in(PARTED_OR_DIVERGED)).with_columns(index=pl.lit(0, pl.Int64))
    detected = sharpenings.filter(pl.col("status") == SharpeningStatus.DETECTED)
    events = detected.with_columns(index=pl.lit(0, pl.Int64), kind=pl.lit(EventKind.LASTING))
    return _filled(OPENINGS.schema, openings), _filled(SHARPENING_EVENTS.schema, events)


def _filled(schema: pl.Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the columns of a schema; those that it lacks are null."""
    absent = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(schema.names()).match_to_schema(schema)
