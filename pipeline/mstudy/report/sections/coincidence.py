"""Do the two moments coincide: parting and abrupt sharpening?"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from mstudy.core.params import Analysis
from mstudy.core.statuses import EventDefinition
from mstudy.pairs.deciding_events import deciding_rises
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.report.charts.kit import haloed, named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    GREY,
    HEIGHT,
    PALE,
    Palette,
    colour_scale,
    data_domain,
    log_x,
    log_y,
)
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.sections.event_verdicts import NOUNS, deciding, verdict_figures
from mstudy.report.sections.moments.chance import chance_figures
from mstudy.report.words import count, interval, step
from mstudy.tables.contracts import ALIGNMENT, LAGS, OPENINGS, SHARPENING_EVENTS, SHARPENINGS

_CHART_HEIGHT = HEIGHT + 100  # pixels


_TEST = ("statistic", "decides", "estimate", "p_value", "n_pairs", "n_cells", "null", "why_refused")


def build(data: ReportData, analysis: Analysis) -> Section:
    """Build the section: parting against sharpening, and how far apart they are."""
    lag_tolerance = analysis.estimate.lag_tolerance
    results, definition = data.results, deciding(analysis)
    rises = deciding_rises(results[SHARPENINGS], results[SHARPENING_EVENTS], definition)
    pairs = aligned_pairs(results[OPENINGS], rises)
    answer = lag_caption(results[ALIGNMENT])
    tests = Figure(
        "The tests",
        "Both times follow the learning rate, so any two such times correlate over all pairs; the tests that do not "
        "decide are shown so that this can be seen, each with the reason. A dash: not to be had from these data.",
        results[ALIGNMENT].select(_TEST),
    )
    figures = []
    if len(pairs):
        lags = results[LAGS].sort("kind", descending=True, maintain_order=True)  # own before exchanged
        within = 1 - lag_tolerance, 1 + lag_tolerance
        figures = [
            Figure(
                "One point an opening",
                points_caption(pairs, within),
                pairs.select(
                    "batch_size", "eta_ef", "momentum", "seed", "status", "place", "sharpening_step", "step", "log_lag"
                ),
                parting_against_sharpening(pairs, data.palette, definition),
            ),
            Figure(
                "The lag, and its null",
                null_caption(lags, within),
                lags.select("kind", "batch_size", "eta_ef", "momentum", "seed", "place", "ratio"),
                lag_distribution(lags, within, data.palette),
            ),
        ]
    note = (
        f"Openings of the gap between SGD and SGDM against {NOUNS[definition]} of SGD, with their 95 % intervals. An "
        "opening that closes is set against a rise that fell back, the one that stays against the rise that stayed. "
        "The null sets each against the sharpening of another seed at the same batch size and learning rate."
    )
    plates = [Plate("alignment", "Parting and sharpening", note, figures, wide=True)] if figures else []
    tables = [*chance_figures(results, data.palette), tests, *verdict_figures(results, "C4")]
    plates.append(Plate("alignment-tests", "", "", tables, wide=True))
    return Section("alignment", "Do the two moments coincide?", answer, plates)


def lag_caption(alignment: pl.DataFrame) -> str:
    """Say how far apart the two moments are."""
    if alignment.is_empty() or alignment["n_pairs"][0] == 0:
        return "In no pair were both events seen, so there is no lag to show."
    row = alignment.row(0, named=True)
    steps = row["lag_steps_median"]
    return (
        f"Both events were seen in {count(row['n_pairs'], 'pair')} of {count(row['n_cells'], 'block')} of one batch "
        f"size and learning rate. At the median over blocks the gap opens "
        f"{step(abs(steps))} steps {'before' if steps < 0 else 'after'} the sharpening{_median_interval(row)}."
    )


def _median_interval(row: dict[str, Any]) -> str:
    """Return the median's own interval, and its level where the blocks are too few for 95 %."""
    low, high, level = (row[f"lag_steps_median_{name}"] for name in ("low", "high", "level"))
    if low is None:
        return ""
    few = "" if level >= 0.95 else f", {level:.0%}: the whole range of so few blocks"
    return f" ({interval(low, high, step)} steps{few})"


def points_caption(pairs: pl.DataFrame, within: tuple[float, float]) -> str:
    """Say how many openings begin at the step of sharpening; within: bounds of opening / sharpening."""
    ratio = pairs["log_lag"].exp()
    near, later = int(ratio.is_between(*within).sum()), int((ratio > within[1]).sum())
    return (
        f"{near} of {count(len(pairs), 'opening')} lie within {within[1] - 1:.0%} of the step at which SGD sharpens; "
        f"{later} later, {len(pairs) - near - later} sooner."
    )


def null_caption(lags: pl.DataFrame, within: tuple[float, float]) -> str:
    """Say which share of lags counts as one moment, own and exchanged."""
    shares = {}
    for kind in ("own", "exchanged"):
        ratio = lags.filter(pl.col("kind") == kind)["ratio"]
        shares[kind] = (int(ratio.is_between(*within).sum()), len(ratio))
    (own, n), (other, m) = shares["own"], shares["exchanged"]
    if m == 0:
        return f"{own} of {count(n, 'opening')} within the tolerance; no block has two seeds to exchange."
    return f"{own} of {count(n, 'opening')} lie within the grey tolerance, and {other} of {m} with seeds exchanged."


def parting_against_sharpening(
    pairs: pl.DataFrame, palette: Palette, definition: EventDefinition = EventDefinition.SHARPENING
) -> Layered:
    """Draw the step of opening against SGD's sharpening, one point an opening, and the line of coincidence.

    pairs: of pairs.like_with_like.aligned_pairs.
    """
    columns = ["label", "batch_size", "eta_ef", "seed", "sharpening_step", "step", "step_low", "step_high"]
    frame = named(pairs).select(columns)
    ends = [max(float(x), 1.0) for x in (*frame["sharpening_step"], *frame["step"])]
    square = min(ends) / 1.4, max(ends) * 1.4
    x = log_x("sharpening_step", f"step of SGD's {NOUNS[definition]}", square)
    y = log_y("step", "step of opening", square)
    identity = (
        alt.Chart(pl.DataFrame({"sharpening_step": list(square), "step": list(square)}))
        .mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1)
        .encode(x=x, y=y)
    )
    word = (
        alt.Chart(pl.DataFrame({"sharpening_step": [square[1]], "step": [square[1]], "note": ["the same moment"]}))
        .mark_text(align="right", dx=-14, dy=12, color=GREY)
        .encode(x=x, y=y, text=alt.Text("note:N"))
    )
    clipped = frame.with_columns(pl.col("step_low", "step_high").clip(*square))
    bars = (
        alt.Chart(clipped)
        .mark_rule(opacity=0.55)
        .encode(
            x=x, y=log_y("step_low", "step of opening", square), y2=alt.Y2("step_high:Q"), color=colour_scale(palette)
        )
    )
    tooltips = tips(
        label="optimizer", batch_size="b", eta_ef="η_ef", seed="seed", sharpening_step="sharpening", step="opening"
    )
    dots = alt.Chart(frame).mark_point(size=60, filled=True, opacity=0.9)
    return layered(
        _CHART_HEIGHT,
        identity,
        bars,
        dots.encode(x=x, y=y, color=colour_scale(palette), tooltip=tooltips),
        *haloed(word),
    )


def lag_distribution(lags: pl.DataFrame, tolerance: tuple[float, float], palette: Palette) -> Layered:
    """Draw each opening / sharpening as a dot, above the same with sharpening times exchanged between seeds.

    lags: tables.LAGS: `kind` ("own" or "exchanged"), `ratio`, and the pair's keys.
    tolerance: ratios within which the two count as one moment.
    """
    rows = {"own": "each opening", "exchanged": "seeds exchanged"}
    frame = named(lags).with_columns(pl.col("kind").replace_strict(rows).alias("row"))
    # Told, not found by the chart: the page's filter can leave a layer without a row.
    span = data_domain([*frame["ratio"], *tolerance])
    x = log_x("ratio", "step of opening / step of sharpening", span)
    y = alt.Y("row:N", sort=list(rows.values()), title=None, axis=alt.Axis(ticks=False, domain=False))
    zone = (
        alt.Chart(pl.DataFrame({"low": [tolerance[0]], "high": [tolerance[1]]}))
        .mark_rect(opacity=0.18, color=GREY)
        .encode(x=log_x("low", "step of opening / step of sharpening", span), x2=alt.X2("high:Q"))
    )
    columns = ["row", "kind", "label", "batch_size", "eta_ef", "seed", "ratio"]
    base = alt.Chart(frame.select(columns)).encode(x=x, y=y)
    null = (
        base.transform_filter("datum.kind == 'exchanged'")
        .mark_tick(color=PALE, thickness=1.5, size=50)
        .encode(tooltip=tips(batch_size="b", eta_ef="η_ef", ratio="ratio"))
    )
    tooltips = tips(label="optimizer", batch_size="b", eta_ef="η_ef", seed="seed", ratio="ratio")
    own = (
        base.transform_filter("datum.kind == 'own'")
        .mark_tick(thickness=2.5, size=50)
        .encode(color=colour_scale(palette), tooltip=tooltips)
    )
    return layered(180, zone, null, own)


SECTION = SectionSpec(anchor="alignment", claims=("C4",), build=build)
