"""An analysis as one value: every table, the claims, the files left out, and what makes the evidence weaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Results:
    """Frames follow mstudy.tables; `claims` are the entries of claims.json.

    problems and warnings: those of problems.json, by severity; the problems name the files left out.
    """

    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    sharpening_events: pl.DataFrame
    partings: pl.DataFrame
    advantage: pl.DataFrame
    thresholds: pl.DataFrame
    placements: pl.DataFrame
    horizons: pl.DataFrame
    trends: pl.DataFrame
    best: pl.DataFrame
    stability_limits: pl.DataFrame
    law: pl.DataFrame
    alignment: pl.DataFrame
    deferral: pl.DataFrame
    cell_partings: pl.DataFrame
    survival: pl.DataFrame
    interventions: pl.DataFrame
    power: pl.DataFrame
    claims: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
