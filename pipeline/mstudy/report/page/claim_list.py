"""The claims as the page shows them: verdict in word, colour and shape, the estimate, and what is missing."""

from __future__ import annotations

from typing import Any, assert_never

import polars as pl

from mstudy.core.statuses import Replication, Verdict
from mstudy.report.reading_order import section_of
from mstudy.report.words import count, interval, number, rounded, signs

SHAPES = {
    Verdict.SUPPORTED: "✔",
    Verdict.MOSTLY: "◕",
    Verdict.CONTRADICTED: "✘",
    Verdict.INCONCLUSIVE: "◐",
    Verdict.UNTESTABLE: "○",
    Verdict.AGREES: "△",
    Verdict.DISAGREES: "▽",
    Verdict.UNCLEAR: "◇",
}


def shown_claims(claims: list[dict[str, Any]], power: pl.DataFrame | None, anchors: set[str]) -> list[dict[str, Any]]:
    """Return claims with the words that the page adds; a link where its section is there."""
    needs = {} if power is None else {row["claim"]: row for row in power.iter_rows(named=True)}
    return [_shown(claim, needs.get(claim["id"]), anchors) for claim in claims]


def _shown(claim: dict[str, Any], need: dict[str, Any] | None, anchors: set[str]) -> dict[str, Any]:
    low, high = claim["ci"] or (None, None)
    estimate, section = claim["estimate"], section_of(claim["id"])
    return claim | {
        "reason": signs(rounded(claim["reason"])),
        "at_least": signs(claim["at_least"]["sentence"]) if claim["at_least"] else "",
        "unit": signs(claim["unit"]),
        "unreplicated": claim["evidence"] == Replication.UNREPLICATED,
        "shape": SHAPES[claim["verdict"]],
        "section": section if section in anchors else "claims",
        "shown_estimate": "not estimable" if estimate is None else f"{number(estimate)} {interval(low, high)}",
        "needed": _needed(claim["verdict"], need),
    }


def _needed(verdict: str, need: dict[str, Any] | None) -> str:
    """Return what would lift a claim on the ladder: to most of its units, and to every one."""
    if need is None:
        return ""
    match known := Verdict(verdict):
        case Verdict.MOSTLY:
            return _to_every_unit(need)
        case Verdict.INCONCLUSIVE | Verdict.UNTESTABLE:
            return _to_decide(need) + _to_most_units(need)
        case Verdict.SUPPORTED | Verdict.CONTRADICTED | Verdict.AGREES | Verdict.DISAGREES | Verdict.UNCLEAR:
            return ""
        case _:
            assert_never(known)


def _to_every_unit(need: dict[str, Any]) -> str:
    """Return the seeds that would make a claim that mostly holds supported."""
    if need["seeds_needed"] is None:
        return f"No number of seeds up to 50 would lift it to supported: {need['note']}."
    return (
        f"To lift it to supported with 80 % power at the effect observed: {count(int(need['seeds_needed']), 'seed')} "
        f"(there are {need['n_seeds']}); more {need['replicate']} alone would not."
    )


def _to_most_units(need: dict[str, Any]) -> str:
    """Return the seeds that would make a claim hold mostly; nothing where no number would."""
    return "" if need["seeds_mostly"] is None else f" To lift it to mostly: {count(int(need['seeds_mostly']), 'seed')}."


def _to_decide(need: dict[str, Any]) -> str:
    """Return what would make an undecided claim decidable."""
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
