"""The tables that the claims are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Evidence:
    """One table each, as in tables/contracts.py. margin: of equivalence, in log loss (params: margins.advantage).

    runs, sharpenings and partings come from earlier stages; the power of C4 and C5 is simulated from them.
    """

    margin: float
    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    partings: pl.DataFrame
    thresholds: pl.DataFrame
    placements: pl.DataFrame
    trends: pl.DataFrame
    best: pl.DataFrame
    stability_limits: pl.DataFrame
    law: pl.DataFrame
    alignment: pl.DataFrame
    deferral: pl.DataFrame
    interventions: pl.DataFrame
