"""The claims as the page shows them: verdict in word, colour and shape, the estimate, and what is missing."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.statuses import Verdict
from mstudy.report.sections.reading_order import section_of
from mstudy.report.words import count, interval, number, signs

_SHAPES = {
    Verdict.SUPPORTED: "✔",
    Verdict.MOSTLY: "◕",
    Verdict.CONTRADICTED: "✘",
    Verdict.INCONCLUSIVE: "◐",
    Verdict.UNTESTABLE: "○",
}


def shown_claims(claims: list[dict[str, Any]], power: pl.DataFrame | None, anchors: set[str]) -> list[dict[str, Any]]:
    """Return claims with the words that the page adds; a link where its section is there."""
    needs = {} if power is None else {row["claim"]: row for row in power.iter_rows(named=True)}
    return [_shown(claim, needs.get(claim["id"]), anchors) for claim in claims]


def _shown(claim: dict[str, Any], need: dict[str, Any] | None, anchors: set[str]) -> dict[str, Any]:
    low, high = claim["ci"] or (None, None)
    estimate, section = claim["estimate"], section_of(claim["id"])
    return claim | {
        "reason": signs(claim["reason"]),
        "at_least": signs(claim["at_least"]["sentence"]) if claim["at_least"] else "",
        "unit": signs(claim["unit"]),
        "shape": _SHAPES[claim["verdict"]],
        "section": section if section in anchors else "claims",
        "shown_estimate": "not estimable" if estimate is None else f"{number(estimate)} {interval(low, high)}",
        "needed": _needed(claim["verdict"], need),
    }


def _needed(verdict: str, need: dict[str, Any] | None) -> str:
    """Return what would make an undecided claim decidable."""
    if verdict not in (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE) or need is None:
        return ""
    if need["seeds_needed"] is None and need["units_needed"] is not None:
        return f"To decide it with 80 % power: {need['units_needed']} {need['replicate']}; there are {need['n_units']}."
    if need["seeds_needed"] is None:
        why = need.get("note") or "not estimable"
        return f"How many seeds would decide it is {why if why.startswith('not est') else f'not estimable: {why}'}."
    more = int(need["seeds_needed"]) - int(need["n_seeds"])
    if more <= 0:
        return f"The {count(int(need['n_seeds']), 'seed')} there are would show the observed effect with 80 % power."
    return (
        f"To decide it with 80 % power at the effect observed: {count(int(need['seeds_needed']), 'seed')}, {more} more "
        f"than there are."
    )
