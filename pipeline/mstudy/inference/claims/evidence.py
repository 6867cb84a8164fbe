"""The tables that the claims are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Evidence:
    """One table each, as in `mstudy.tables`."""

    advantage: pl.DataFrame
    thresholds: pl.DataFrame
    alignment: pl.DataFrame
    deferral: pl.DataFrame
