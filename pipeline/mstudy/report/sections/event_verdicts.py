"""What the sections of C4 and C5 say of the two definitions of sharpening."""

from __future__ import annotations

import polars as pl

from mstudy.core.params import Analysis
from mstudy.core.statuses import EventDefinition
from mstudy.report.results import Results
from mstudy.report.sections.base import Figure
from mstudy.tables.contracts import EVENT_VERDICTS

NOUNS = {
    EventDefinition.SHARPENING: "abrupt sharpening",
    EventDefinition.CROSSING: "crossing of the stability line",
}
VERBS = {
    EventDefinition.SHARPENING: ("sharpens abruptly", "sharpen abruptly"),
    EventDefinition.CROSSING: ("crosses its stability line", "cross their stability line"),
}
_SHOWN = ("definition", "decides", "verdict", "estimate", "ci_low", "ci_high", "unit", "p_value", "n", "n_unit")


def deciding(analysis: Analysis) -> EventDefinition:
    """Return the definition that decides C4 and C5."""
    return EventDefinition(analysis.detect.decides)


def verdict_figures(results: Results, claim: str) -> list[Figure]:
    """Return the figure of a claim's verdicts by both definitions; none where the claim was not judged."""
    rows = results[EVENT_VERDICTS].filter(pl.col("claim") == claim)
    if rows.is_empty():
        return []
    return [Figure("By either definition of sharpening", verdict_caption(rows), rows.select(_SHOWN))]


def verdict_caption(rows: pl.DataFrame) -> str:
    """Say what both definitions make of a claim: its rows of tables.EVENT_VERDICTS."""
    decides = rows.filter("decides").row(0, named=True)
    other = rows.filter(~pl.col("decides")).row(0, named=True)
    names = [NOUNS[EventDefinition(row["definition"])] for row in (decides, other)]
    agree = "agree" if decides["agrees"] else "do not agree"
    return (
        f"By {names[0]}, which decides, {decides['claim']} is {decides['verdict']}; by {names[1]} it is "
        f"{other['verdict']}: the two definitions {agree}."
    )
