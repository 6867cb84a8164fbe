"""Which step of a run counts as its sharpening where C4 and C5 are judged: its abrupt rise, or its crossing."""

from __future__ import annotations

from typing import assert_never

import polars as pl

from mstudy.core.statuses import CrossingStatus, EventDefinition, EventKind, SharpeningStatus
from mstudy.tables.contracts import SHARPENING_EVENTS, SHARPENINGS

# A run without a line, as one without a curvature, has no say.
_STATUS_OF_CROSSING = {
    CrossingStatus.CROSSED: SharpeningStatus.DETECTED,
    CrossingStatus.NONE: SharpeningStatus.NONE,
    CrossingStatus.TOO_SHORT: SharpeningStatus.TOO_SHORT,
    CrossingStatus.NO_CURVATURE: SharpeningStatus.NO_CURVATURE,
    CrossingStatus.NO_LINE: SharpeningStatus.NO_CURVATURE,
}
_STEPS = ("step", "step_low", "step_high", "followup_step")


def deciding_events(sharpenings: pl.DataFrame, definition: EventDefinition) -> pl.DataFrame:
    """Return tables.SHARPENINGS with the status, steps and follow-up of the events of this definition.

    What a crossing has not, as a jump, is null.
    """
    match definition:
        case EventDefinition.SHARPENING:
            return sharpenings
        case EventDefinition.CROSSING:
            status = pl.col("crossing_status").replace_strict(_STATUS_OF_CROSSING, return_dtype=pl.String)
            steps = (pl.col(f"crossing_{name}").alias(name) for name in _STEPS)
            events = sharpenings.select("run_id", status.alias("status"), *steps)
            return SHARPENINGS.frame(events.rows(named=True))
        case _:
            assert_never(definition)


def deciding_rises(sharpenings: pl.DataFrame, rises: pl.DataFrame, definition: EventDefinition) -> pl.DataFrame:
    """Return all events of this definition as tables.SHARPENING_EVENTS. rises: that table.

    A run crosses its line once, and that counts as a rise that stays: what it did before or after is no crossing.
    """
    match definition:
        case EventDefinition.SHARPENING:
            return rises
        case EventDefinition.CROSSING:
            crossed = deciding_events(sharpenings, definition).filter(pl.col("status") == SharpeningStatus.DETECTED)
            steps = crossed.select("run_id", "step", "step_low", "step_high").rows(named=True)
            return SHARPENING_EVENTS.frame([{"index": 0, "kind": EventKind.LASTING} | row for row in steps])
        case _:
            assert_never(definition)
