"""Evidence for one claim: the tables it is judged by; the others are empty."""

from __future__ import annotations

import polars as pl
from mstudy.core.params import Margins
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.contracts import TABLES

_MARGINS = Margins()


def evidence_of(margin: float = _MARGINS.advantage, **frames: pl.DataFrame) -> Evidence:
    """Return the evidence that holds these frames, each given by the name of its table."""
    empty = {table.name: table.frame([]) for table in TABLES}
    return Evidence(margin, empty | frames)
