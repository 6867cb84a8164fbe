"""C5: whether momentum prevents or defers abrupt sharpening."""

from __future__ import annotations

import polars as pl

from mstudy.inference.claims.claim import Claim, holm, untestable, verdict_of
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.deferral import ALL
from mstudy.params import Estimate


def judge_deferred(evidence: Evidence, estimate: Estimate) -> Claim:
    """The paired swap test of every momentum, Holm over momenta; all must agree."""
    rows = evidence.deferral.filter((pl.col("stratum") == ALL) & pl.col("p_value").is_not_null()).sort("momentum")
    if rows.is_empty():
        return untestable("C5", "deferral", "no run of any pair has an abrupt sharpening")
    adjusted = holm(rows["p_value"].to_list())
    found = list(zip(rows.iter_rows(named=True), adjusted, strict=True))
    later = [r["restricted_mean_sgdm"] - r["restricted_mean_sgd"] for r, _ in found]
    deferred = all(d > 0 and p <= estimate.alpha for d, (_, p) in zip(later, found, strict=True))
    hastened = any(d < 0 and p <= estimate.alpha for d, (_, p) in zip(later, found, strict=True))
    parts = [
        f"mu = {r['momentum']:g}: {r['events_sgd']} of {r['n_sgd']} SGD runs and {r['events_sgdm']} of "
        f"{r['n_sgdm']} SGDM runs sharpen abruptly (p = {p:.3g})"
        for r, p in found
    ]
    top = rows.row(-1, named=True)
    return Claim(
        "C5",
        verdict_of(deferred, hastened),
        "; ".join(parts) + ".",
        "deferral",
        int(top["n_sgd"]),
        "pairs per momentum",
        top["hazard_ratio"],
        None if top["ci_low"] is None else (top["ci_low"], top["ci_high"]),
        f"hazard ratio SGDM / SGD at mu = {top['momentum']:g}",
        max(adjusted),
        tuple(f"all, mu = {r['momentum']:g}" for r, _ in found),
    )
