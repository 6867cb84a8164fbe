"""C6: whether the best tuned SGD equals the best tuned SGDM."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.best import AT_EDGE, COMPARED
from mstudy.pairs.seed_tests import holm


def judge_best(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every line must be equivalent (intersection-union); one beyond the margin, either way, contradicts (Holm)."""
    lines = evidence.best.filter(pl.col("status") == COMPARED)
    n_edge = len(evidence.best.filter(pl.col("status") == AT_EDGE))
    if lines.is_empty():
        why = f"no line of cells with enough seeds has its best eta_ef inside the grid ({n_edge} have it at an end)"
        return untestable("C6", "best", why, 0, "lines")
    equivalence = lines["equivalence_p"].to_numpy()
    worst = lines.row(int(equivalence.argmax()), named=True)
    beyond = holm([*lines["superiority_p"], *lines["inferiority_p"]])
    n_equivalent = int((equivalence <= estimate.alpha).sum())
    left_out = f", {n_edge} lines whose best lies at an end of the grid left out" if n_edge else ""
    reason = (
        f"{n_equivalent} of {len(lines)} lines (batch size and momentum) are equivalent within {evidence.margin:g} in "
        f"log loss at their best eta_ef{left_out}; the least sure is {_line(worst)}: "
        f"{worst['log_ratio']:+.3f} [{worst['ci_low']:+.3f}, {worst['ci_high']:+.3f}]."
    )
    return Claim(
        "C6",
        verdict_of(float(equivalence.max()) <= estimate.alpha, min(beyond) <= estimate.alpha),
        reason,
        "best",
        len(lines),
        "lines",
        worst["log_ratio"],
        (worst["ci_low"], worst["ci_high"]),
        "log L_SGD / L_SGDM, each at its best, in the least sure line",
        float(equivalence.max()),
        tuple(_line(line) for line in lines.iter_rows(named=True)),
    )


def _line(line: dict[str, Any]) -> str:
    return f"b = {line['batch_size']}, mu = {line['momentum']:g}"
