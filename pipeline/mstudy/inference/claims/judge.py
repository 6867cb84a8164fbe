"""All claims, in order."""

from __future__ import annotations

from typing import Any

from mstudy.inference.claims.batch_trend import judge_batch_trend
from mstudy.inference.claims.best import judge_best
from mstudy.inference.claims.cells import judge_above, judge_below
from mstudy.inference.claims.deferred import judge_deferred
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.claims.intervention import judge_intervention
from mstudy.inference.claims.law import judge_law
from mstudy.inference.claims.same_moment import judge_same_moment
from mstudy.params import Estimate

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
