"""C4 and C5 by either definition of sharpening: one decides, and whether both agree is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import EventDefinition
from mstudy.estimate.claims import c4_same_moment, c5_deferred
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.contracts import EVENT_VERDICTS

_CLAIMS = (c4_same_moment.CLAIM, c5_deferred.CLAIM)
_NAMED = {
    EventDefinition.SHARPENING: "",
    EventDefinition.CROSSING: "Here a run sharpens where it crosses its stability line. ",
}


def judge_by_definitions(
    evidence: Mapping[EventDefinition, Evidence], decides: EventDefinition, estimate: Estimate
) -> pl.DataFrame:
    """Return both verdicts of C4 and of C5 (tables.EVENT_VERDICTS)."""
    rows: list[dict[str, Any]] = []
    for claim in _CLAIMS:
        entries = {definition: claim.entry(each, estimate) for definition, each in evidence.items()}
        agrees = len({entry["verdict"] for entry in entries.values()}) == 1
        for definition, entry in entries.items():
            of_claim = {"claim": claim.id, "definition": definition, "decides": definition == decides}
            rows.append(of_claim | {"agrees": agrees} | _answer(entry))
    return EVENT_VERDICTS.frame(rows)


def _answer(entry: dict[str, Any]) -> dict[str, Any]:
    low, high = entry["ci"] or (None, None)
    names = ("verdict", "estimate", "unit", "p_value", "n", "n_unit", "reason")
    return {name: entry[name] for name in names} | {"ci_low": low, "ci_high": high}


def naming_definition(entries: list[dict[str, Any]], decides: EventDefinition) -> list[dict[str, Any]]:
    """Return the entries of claims.json; the reasons of C4 and C5 say so where crossings decide them."""
    ids = {claim.id for claim in _CLAIMS}
    return [entry | {"reason": _NAMED[decides] + entry["reason"]} if entry["id"] in ids else entry for entry in entries]
