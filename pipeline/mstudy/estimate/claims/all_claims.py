"""All claims, in order."""

from __future__ import annotations

from typing import Any

from mstudy.core.params import Estimate
from mstudy.estimate.claims.c1_c2_cells import judge_above, judge_below
from mstudy.estimate.claims.c3_batch_trend import judge_batch_trend
from mstudy.estimate.claims.c4_same_moment import judge_same_moment
from mstudy.estimate.claims.c5_deferred import judge_deferred
from mstudy.estimate.claims.c6_best import judge_best
from mstudy.estimate.claims.c7_law import judge_law
from mstudy.estimate.claims.c8_intervention import judge_intervention
from mstudy.estimate.claims.evidence import Evidence

JUDGES = (
    judge_below,
    judge_above,
    judge_batch_trend,
    judge_same_moment,
    judge_deferred,
    judge_best,
    judge_law,
    judge_intervention,
)


def judge_claims(evidence: Evidence, estimate: Estimate) -> list[dict[str, Any]]:
    """The entries of claims.json, C1 onwards."""
    return [judge(evidence, estimate).entry() for judge in JUDGES]
