"""C4: whether SGD and SGDM part at the moment of SGD's abrupt sharpening."""

from __future__ import annotations

import math

import polars as pl

from mstudy.inference.alignment import EQUIVALENCE, PERMUTATION
from mstudy.inference.claims.claim import Claim, untestable, verdict_of
from mstudy.inference.claims.evidence import Evidence
from mstudy.params import Estimate


def judge_same_moment(evidence: Evidence, estimate: Estimate) -> Claim:
    """Association of the times across seeds within blocks, and equivalence of the typical lag: both."""
    permutation = evidence.alignment.row(by_predicate=pl.col("statistic") == PERMUTATION, named=True)
    equivalence = evidence.alignment.row(by_predicate=pl.col("statistic") == EQUIVALENCE, named=True)
    n, n_pairs = int(permutation["n_cells"]), int(permutation["n_pairs"])
    if permutation["p_value"] is None or equivalence["p_value"] is None or n < estimate.min_cells:
        return untestable(
            "C4",
            "alignment",
            f"both events were seen in {n_pairs} pairs of {n} blocks (batch size and eta_ef); at least "
            f"{estimate.min_cells} blocks whose seeds differ are needed; a finer grid of eta_ef near the threshold "
            f"would give them",
            n,
            "blocks",
        )
    low, high, tolerance = permutation["lag_low"], permutation["lag_high"], math.log1p(estimate.lag_tolerance)
    same = permutation["p_value"] <= estimate.alpha and equivalence["p_value"] <= estimate.alpha
    apart = low > tolerance or high < math.log1p(-estimate.lag_tolerance)
    reason = (
        f"Parting comes at {math.exp(equivalence['estimate']):.2f} [{math.exp(low):.2f}, {math.exp(high):.2f}] times "
        f"the step of sharpening; association within blocks p = {permutation['p_value']:.3g}, lag within "
        f"{estimate.lag_tolerance:.0%} p = {equivalence['p_value']:.3g} ({n_pairs} pairs)."
    )
    return Claim(
        "C4",
        verdict_of(same, apart),
        reason,
        "alignment",
        n,
        "blocks",
        math.exp(equivalence["estimate"]),
        (math.exp(low), math.exp(high)),
        "step of parting / step of sharpening",
        max(permutation["p_value"], equivalence["p_value"]),
        (PERMUTATION, EQUIVALENCE),
    )
