"""Evidence for one claim: the tables it is judged by, the others being empty; and the verdicts of such evidence."""

from __future__ import annotations

import polars as pl
from mstudy.core.params import Margins
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.contracts import TABLES

_MARGINS = Margins()
# Verdicts of cells with seeds; they alone can follow from made-up studies with seeds.
REPLICATED = (
    Verdict.SUPPORTED,
    Verdict.MOSTLY,
    Verdict.CONTRADICTED,
    Verdict.INCONCLUSIVE,
    Verdict.UNTESTABLE,
)


def evidence_of(margin: float = _MARGINS.advantage, **frames: pl.DataFrame) -> Evidence:
    """Return the evidence that holds these frames, each given by the name of its table."""
    empty = {table.name: table.frame([]) for table in TABLES}
    return Evidence(margin, empty | frames)
