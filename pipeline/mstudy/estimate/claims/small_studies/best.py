"""C6 where no line can be tested: what the best of each optimizer came to, then what is missing."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import BestStatus, Replication, Verdict
from mstudy.estimate.claims.claim import Answer, untestable
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.small_studies.words import advantage_sentence, listed, momentum_name
from mstudy.tables.contracts import ADVANTAGE, BEST


def answer_without_lines(evidence: Evidence, estimate: Estimate) -> Answer:
    """Answer from tables.BEST without a line that is `compared`: `unclear` where seeds alone are missing."""
    best = evidence[BEST]
    known = best.filter(pl.col("log_ratio").is_not_null()).sort("batch_size", "momentum")
    n_edge = len(best.filter(pl.col("status") == BestStatus.AT_EDGE))
    missing = (
        f"no line of cells with enough seeds has its best eta_ef inside the grid ({n_edge} have it at an end; each "
        f"takes {estimate.min_seeds} seeds at three rates or more)"
    )
    if known.is_empty():
        return untestable(missing, 0, "lines", advantage_sentence(evidence[ADVANTAGE], evidence.words))
    told = listed([_line(row) for row in known.iter_rows(named=True)])
    reason = f"Each optimizer at its best, {evidence.words.symbol} is {told}. What is missing for a verdict: {missing}."
    if (known["status"] == BestStatus.INSUFFICIENT).any():
        return Answer(Verdict.UNCLEAR, reason, len(known), "lines", evidence=Replication.UNREPLICATED)
    return Answer(Verdict.UNTESTABLE, reason, len(known), "lines")


def _line(row: dict[str, Any]) -> str:
    rates = f"SGD at {row['sgd_eta_ef']:g}, SGDM at {row['sgdm_eta_ef']:g}"
    return f"{row['log_ratio']:+.3f} at b = {row['batch_size']}, {momentum_name(row)} ({rates})"
