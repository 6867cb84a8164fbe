"""Which step of a run counts as its sharpening where C4 and C5 are judged: its abrupt rise, or its crossing."""

from __future__ import annotations

from typing import assert_never

import polars as pl

from mstudy.core.statuses import CrossingStatus, EventDefinition, SharpeningStatus
from mstudy.tables.contracts import SHARPENINGS

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
