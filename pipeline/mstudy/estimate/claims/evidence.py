"""The tables that the claims are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from mstudy.tables.table import Table


@dataclass(frozen=True)
class Evidence:
    """`evidence[DEFERRAL]` is the frame of a table. margin: of equivalence, in log loss (params: margins.advantage).

    frames: by the names of the tables. RUNS, SHARPENINGS, SHARPENING_EVENTS and OPENINGS come from earlier stages; the
    power of C4 and C5 is simulated from them.
    """

    margin: float
    frames: Mapping[str, pl.DataFrame]

    def __getitem__(self, table: Table) -> pl.DataFrame:
        """Return the frame of a table."""
        return self.frames[table.name]
