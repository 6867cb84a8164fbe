"""One run as the detector judged it: series, null, candidates accepted and refused."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.charts.kit import haloed, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, PALE, data_domain, log_x, log_y
from mstudy.report.words import number

ACCEPTED = "#c44f00"
_HEIGHT = 340


def judged_run(
    points: pl.DataFrame,
    blocks: pl.DataFrame,
    candidates: pl.DataFrame,
    events: pl.DataFrame,
    line: float | None,
    title: str,
) -> Layered:
    """Return the curvature of one run on its null, with its events, and its candidates at the foot.

    points: `step`, `y`, as logged. blocks: of explain/explanation.py. candidates: likewise, with `text`.
    events: `step`, `step_low`, `step_high`. line: the stability line of the run, if it has one. Steps are drawn plus
    one, on a log axis.
    """
    lines = [] if line is None else [line]
    domain = data_domain([*points["y"], *blocks["low"], *blocks["high"], *lines], 1.6) or (0.1, 1.0)
    steps = 1.0, max(float(points["step"].max() or 1) + 1, 10.0)  # type: ignore[arg-type]  # of a column of numbers
    x, y = log_x("at", "step (updates made + 1)", steps), log_y("y", title, domain)

    def shifted(frame: pl.DataFrame, **columns: str) -> pl.DataFrame:
        return frame.with_columns((pl.col(old) + 1).alias(new) for new, old in columns.items())

    null = alt.Chart(shifted(blocks, at="step"))
    band = null.mark_area(opacity=0.35, color=PALE).encode(x=x, y=log_y("low", title, domain), y2=alt.Y2("high:Q"))
    trend = null.mark_line(color=GREY, strokeWidth=1.5, strokeDash=[5, 4]).encode(x=x, y=log_y("middle", title, domain))
    series = (
        alt.Chart(shifted(points, at="step"))
        .mark_line(color=GREY, strokeWidth=0.8, opacity=0.8)
        .encode(x=x, y=y, tooltip=tips(step="step", y="curvature"))
    )
    levels = alt.Chart(shifted(blocks, at="step")).mark_line(color="#0069ad", strokeWidth=1.6)
    stability = alt.Chart(pl.DataFrame({"y": lines, "note": ["stability line"] * len(lines)}))
    layers = [band, trend, series, levels.encode(x=x, y=log_y("level", title, domain))]
    layers += [stability.mark_rule(strokeDash=[6, 4], color=ACCEPTED, opacity=0.7).encode(y=y)]
    words = stability.mark_text(align="right", dx=-2, dy=-6, color=ACCEPTED)
    named = haloed(words.encode(y=y, x=alt.XValue("width"), text=alt.Text("note:N")))
    spans = alt.Chart(shifted(events, low="step_low", high="step_high", at="step"))
    layers += [
        spans.mark_rect(opacity=0.22, color=ACCEPTED).encode(x=log_x("low", "", steps), x2=alt.X2("high:Q")),
        spans.mark_rule(color=ACCEPTED, strokeWidth=1.5).encode(
            x=x, tooltip=tips(step="event at", step_low="from", step_high="to")
        ),
    ]
    return layered(_HEIGHT, *layers, *named, *_candidates(candidates, steps))


def _candidates(candidates: pl.DataFrame, steps: tuple[float, float]) -> list[alt.Chart]:
    """Return a bar at the foot for each candidate, numbered as in the table; accepted ones in colour."""
    if candidates.is_empty():
        return []
    frame = candidates.with_columns(
        (pl.col("start") + 1).alias("low"),
        (pl.col("end") + 1).alias("high"),
        pl.int_range(1, pl.len() + 1).cast(pl.String).alias("number"),
        (pl.col("reason") == "").alias("accepted"),
        # As text: the format of numbers would show a null, a candidate that was not tested, as p = 0.
        pl.Series("p", [number(p) for p in candidates["p_value"]], dtype=pl.String),
    )
    colour = alt.condition("datum.accepted", alt.value(ACCEPTED), alt.value(GREY))
    base = alt.Chart(frame)
    tooltips = [*tips(number="candidate", factor="factor"), alt.Tooltip("p:N"), alt.Tooltip("text:N", title="judged")]
    x = log_x("low", "step (updates made + 1)", steps)
    bars = base.mark_rule(strokeWidth=5).encode(
        x=x,
        x2=alt.X2("high:Q"),
        y=alt.YValue(_HEIGHT - 8),
        color=colour,
        tooltip=tooltips,
    )
    words = base.mark_text(fontSize=11, fontWeight=600, align="left", dx=-2).encode(
        x=x, y=alt.YValue(_HEIGHT - 19), text=alt.Text("number:N"), color=colour
    )
    return [bars, words]
