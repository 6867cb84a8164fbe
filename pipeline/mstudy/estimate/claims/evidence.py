"""The tables that the claims are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.tables.table import Table


@dataclass(frozen=True)
class Evidence:
    """`evidence[DEFERRAL]` is the frame of a table. margin: of equivalence, in the scale (params: margins.advantage).

    frames: by the names of the tables. RUNS, SHARPENINGS, SHARPENING_EVENTS and OPENINGS come from earlier stages; the
    power of C4 and C5 is simulated from them.
    """

    margin: float
    frames: Mapping[str, pl.DataFrame]
    scale: Scale = Scale.LOG

    @property
    def words(self) -> ScaleWords:
        """How sentences name a comparison of losses."""
        return WORDS[self.scale]

    def __getitem__(self, table: Table) -> pl.DataFrame:
        """Return the frame of a table."""
        return self.frames[table.name]
