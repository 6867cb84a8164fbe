"""C4: whether SGD and SGDM part at the moment of SGD's abrupt sharpening."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import CONTRADICTED, INCONCLUSIVE, SUPPORTED, UNTESTABLE, Claim, untestable
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.coincidence import EQUIVALENCE, PERMUTATION, SHARED


def judge_same_moment(evidence: Evidence, estimate: Estimate) -> Claim:
    """C4, from tables.ALIGNMENT."""
    return same_moment(evidence.alignment, estimate)


def same_moment(alignment: pl.DataFrame, estimate: Estimate) -> Claim:
    """Association of the times across seeds within blocks, and equivalence of the typical lag: both.

    Contradicted where the lag's interval lies beyond the tolerance, or where seeds whose times can be told apart surely
    share less than `min_shared` of their deviations.
    """
    rows = {row["statistic"]: row for row in alignment.iter_rows(named=True)}
    permutation, equivalence, shared = rows[PERMUTATION], rows[EQUIVALENCE], rows[SHARED]
    n, n_pairs = int(permutation["n_cells"]), int(permutation["n_pairs"])
    if permutation["p_value"] is None or equivalence["p_value"] is None or n < estimate.min_cells:
        return untestable("C4", "alignment", _too_little(permutation, estimate), n, "blocks")
    low, high = permutation["lag_low"], permutation["lag_high"]
    verdict, why = _verdict(permutation, equivalence, shared, estimate)
    reason = (
        f"Parting comes at {math.exp(equivalence['estimate']):.2f} [{math.exp(low):.2f}, {math.exp(high):.2f}] times "
        f"the step of sharpening; association within blocks p = {permutation['p_value']:.3g}, lag within "
        f"{estimate.lag_tolerance:.0%} p = {equivalence['p_value']:.3g} ({n_pairs} pairs of {n} blocks; of "
        f"{permutation['n_parted_seen']} pairs that part and could have been seen to sharpen){why}."
    )
    return Claim(
        "C4",
        verdict,
        reason if verdict != UNTESTABLE else f"Not testable here: {reason[0].lower()}{reason[1:]}",
        "alignment",
        n,
        "blocks",
        math.exp(equivalence["estimate"]),
        (math.exp(low), math.exp(high)),
        "step of parting / step of sharpening",
        max(permutation["p_value"], equivalence["p_value"]),
        (PERMUTATION, EQUIVALENCE, SHARED),
    )


def _verdict(
    permutation: dict[str, Any], equivalence: dict[str, Any], shared: dict[str, Any], estimate: Estimate
) -> tuple[str, str]:
    """Verdict, and what to add to the reason."""
    tolerance, alpha = estimate.lag_tolerance, estimate.alpha
    if permutation["lag_low"] > math.log1p(tolerance) or permutation["lag_high"] < math.log1p(-tolerance):
        return CONTRADICTED, "; the interval of the lag lies beyond the tolerance"
    associated = permutation["p_value"] <= alpha
    if associated and equivalence["p_value"] <= alpha:
        return SUPPORTED, ""
    reliable = min(permutation[f"reliability_{event}"] or 0.0 for event in ("parting", "sharpening"))
    if not associated and reliable < estimate.min_reliability:
        return UNTESTABLE, (
            f"; the seeds' times differ by hardly more than their errors of estimate (reliability {reliable:.2f}, at "
            f"least {estimate.min_reliability:g} is needed), so only an intervention could tell"
        )
    upper = shared["estimate_high"]
    if not associated and upper is not None and upper < estimate.min_shared * permutation["reliability_sharpening"]:
        return CONTRADICTED, (
            f"; a seed whose sharpening is late does not part late: the two share {shared['estimate']:.2f} "
            f"[{shared['estimate_low']:.2f}, {upper:.2f}] of its deviation"
        )
    return INCONCLUSIVE, ""


def _too_little(row: dict[str, Any], estimate: Estimate) -> str:
    return (
        f"both events were seen in {row['n_pairs']} pairs of {row['n_cells']} blocks (batch size and eta_ef), while "
        f"{row['n_parted']} pairs part; at least {estimate.min_cells} blocks in which both times differ between "
        f"seeds are needed; a finer grid of eta_ef near the threshold would give them"
    )
