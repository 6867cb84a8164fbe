"""Evidence for one claim: the tables it is judged by; the others are empty."""

from __future__ import annotations

import polars as pl
from mstudy.core.params import Margins
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.contracts import (
    ALIGNMENT,
    BEST,
    DEFERRAL,
    INTERVENTIONS,
    LAW,
    OPENINGS,
    PLACEMENTS,
    RUNS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    STABILITY_LIMITS,
    THRESHOLDS,
    TRENDS,
)

_TABLES = (
    RUNS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    OPENINGS,
    THRESHOLDS,
    PLACEMENTS,
    TRENDS,
    BEST,
    STABILITY_LIMITS,
    LAW,
    ALIGNMENT,
    DEFERRAL,
    INTERVENTIONS,
)
_MARGINS = Margins()


def evidence_of(margin: float = _MARGINS.advantage, **frames: pl.DataFrame) -> Evidence:
    """Return the evidence that holds these frames, each given by the name of its table."""
    empty = {table.name: table.frame([]) for table in _TABLES}
    return Evidence(margin, empty | frames)
