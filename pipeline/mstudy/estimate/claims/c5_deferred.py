"""C5: whether momentum prevents or defers abrupt sharpening."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.deferral import ALL
from mstudy.pairs.seed_tests import holm


def judge_deferred(evidence: Evidence, estimate: Estimate) -> Claim:
    """C5, from tables.DEFERRAL."""
    return deferred(evidence.deferral, estimate)


def deferred(deferral: pl.DataFrame, estimate: Estimate) -> Claim:
    """The paired swap test of every optimizer and momentum, Holm over them; all that can be tested must agree.

    Testable: so many pairs differ that the smallest possible p-value, 2^(1 - n), is at most alpha.
    """
    rows = deferral.filter(pl.col("stratum") == ALL).sort("optimizer", "momentum")
    testable = rows.filter(2.0 ** (1 - pl.col("n_informative")) <= estimate.alpha)
    if testable.is_empty():
        most = max(rows["n_informative"].to_list(), default=0)
        why = (
            f"at most {most} pairs differ in what happened to their runs, too few for any p-value of {estimate.alpha:g}"
        )
        return untestable("C5", "deferral", why, most, "pairs that differ")
    adjusted = holm(testable["p_value"].to_list())
    found = list(zip(testable.iter_rows(named=True), adjusted, strict=True))
    later = all(r["score"] > 0 and p <= estimate.alpha for r, p in found)
    hastened = any(r["score"] < 0 and p <= estimate.alpha for r, p in found)
    left_out = len(rows) - len(testable)
    more = f"; {left_out} of {len(rows)} momenta have too few pairs that differ" if left_out else ""
    top = testable.row(-1, named=True)
    known = top["ci_low"] is not None
    return Claim(
        "C5",
        verdict_of(later, hastened),
        "; ".join(_describe(r, p) for r, p in found) + f"{more}.",
        "deferral",
        int(top["n_sgd"]),
        "pairs per momentum",
        top["hazard_ratio"],
        (top["ci_low"], top["ci_high"]) if known else None,
        f"hazard ratio SGDM / SGD of {_name(top)}",
        max(adjusted),
        tuple(f"{ALL}, {_name(r)}" for r, _ in found),
    )


def _name(row: dict[str, Any]) -> str:
    return f"{row['optimizer']}, mu = {row['momentum']:g}"


def _describe(row: dict[str, Any], p_value: float) -> str:
    both = f", in {row['n_both']} both" if row["n_both"] else ""
    return (
        f"{_name(row)}: {row['events_sgd']} of {row['n_sgd']} SGD runs and {row['events_sgdm']} of "
        f"{row['n_sgdm']} SGDM runs sharpen abruptly (within the time that both were followed, in {row['only_sgd']} "
        f"pairs SGD alone, in {row['only_sgdm']} SGDM alone{both}; p = {p_value:.3g})"
    )
