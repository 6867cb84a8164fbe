"""All claims, in order."""

from __future__ import annotations

from typing import Any

from mstudy.inference.claims.batch_trend import judge_batch_trend
from mstudy.inference.claims.cells import judge_above, judge_below
from mstudy.inference.claims.deferred import judge_deferred
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.claims.same_moment import judge_same_moment
from mstudy.params import Estimate

JUDGES = (judge_below, judge_above, judge_batch_trend, judge_same_moment, judge_deferred)


def judge_claims(evidence: Evidence, estimate: Estimate) -> list[dict[str, Any]]:
    """The entries of claims.json, C1 onwards."""
    return [judge(evidence, estimate).entry() for judge in JUDGES]
