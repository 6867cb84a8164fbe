"""All claims, in order; their answers and their power. A new claim adds its line to ALL_CLAIMS."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims import (
    c1_c2_cells,
    c3_batch_trend,
    c4_same_moment,
    c5_deferred,
    c6_best,
    c7_law,
    c8_intervention,
)
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.contracts import CLAIM_UNITS, POWER

ALL_CLAIMS = (
    c1_c2_cells.BELOW_THRESHOLD,
    c1_c2_cells.ABOVE_THRESHOLD,
    c3_batch_trend.CLAIM,
    c4_same_moment.CLAIM,
    c5_deferred.CLAIM,
    c6_best.CLAIM,
    c7_law.CLAIM,
    c8_intervention.CLAIM,
)


ALL_IDS = frozenset(claim.id for claim in ALL_CLAIMS)


def judge_claims(evidence: Evidence, estimate: Estimate, ids: Collection[str] = ALL_IDS) -> list[dict[str, Any]]:
    """Return the entries of claims.json. ids: of the claims that are asked."""
    return [claim.entry(evidence, estimate) for claim in ALL_CLAIMS if claim.id in ids]


def list_units(evidence: Evidence, estimate: Estimate, ids: Collection[str] = ALL_IDS) -> pl.DataFrame:
    """Return the units of the claims over units (tables.CLAIM_UNITS)."""
    asked = [claim for claim in ALL_CLAIMS if claim.units and claim.id in ids]
    return pl.concat([CLAIM_UNITS.frame([])] + [c.units(evidence, estimate) for c in asked if c.units])


def measure_power(
    evidence: Evidence, entries: Sequence[dict[str, Any]], estimate: Estimate, ids: Collection[str] = ALL_IDS
) -> pl.DataFrame:
    """Return one row a claim (tables.POWER). entries: those of claims.json, which hold the verdicts."""
    verdicts = {entry["id"]: entry["verdict"] for entry in entries}
    return POWER.frame(
        [
            {"claim": claim.id, "verdict": verdicts.get(claim.id), **asdict(claim.power(evidence, estimate))}
            for claim in ALL_CLAIMS
            if claim.id in ids
        ]
    )
