"""All tables of an analysis, in the order in which documents list them."""

from __future__ import annotations

from mstudy.tables.compare_tables import ADVANTAGE, CELL_PARTINGS, FINAL_LOSSES, HORIZON_LOSSES, OPENINGS, PARTINGS
from mstudy.tables.detect_tables import RUNS, SHARPENING_EVENTS, SHARPENINGS
from mstudy.tables.event_tables import (
    ALIGNMENT,
    CLAIM_UNITS,
    DEFERRAL,
    EVENT_VERDICTS,
    INTERVENTIONS,
    LAGS,
    POWER,
    SURVIVAL,
)
from mstudy.tables.rate_tables import (
    BEST,
    HORIZONS,
    LAW,
    PLACEMENTS,
    STABILITY_LIMITS,
    THRESHOLDS,
    TRENDS,
    UNREPLICATED_CELLS,
)
from mstudy.tables.table import Table

__all__ = [
    "ADVANTAGE",
    "ALIGNMENT",
    "BEST",
    "CELL_PARTINGS",
    "CLAIM_UNITS",
    "DEFERRAL",
    "EVENT_VERDICTS",
    "FINAL_LOSSES",
    "HORIZONS",
    "HORIZON_LOSSES",
    "INTERVENTIONS",
    "LAGS",
    "LAW",
    "OPENINGS",
    "PARTINGS",
    "PLACEMENTS",
    "POWER",
    "RUNS",
    "SHARPENINGS",
    "SHARPENING_EVENTS",
    "STABILITY_LIMITS",
    "SURVIVAL",
    "TABLES",
    "THRESHOLDS",
    "TRENDS",
    "UNREPLICATED_CELLS",
]

TABLES: tuple[Table, ...] = (
    RUNS,
    SHARPENINGS,
    SHARPENING_EVENTS,
    PARTINGS,
    OPENINGS,
    CELL_PARTINGS,
    ADVANTAGE,
    FINAL_LOSSES,
    THRESHOLDS,
    PLACEMENTS,
    UNREPLICATED_CELLS,
    HORIZONS,
    TRENDS,
    BEST,
    STABILITY_LIMITS,
    LAW,
    ALIGNMENT,
    LAGS,
    DEFERRAL,
    SURVIVAL,
    EVENT_VERDICTS,
    INTERVENTIONS,
    CLAIM_UNITS,
    POWER,
    HORIZON_LOSSES,
)
