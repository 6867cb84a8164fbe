"""What the charts share: the column of names and direct labels that do not collide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from mstudy.core.statuses import Replication
from mstudy.report.charts.theme import CARD, GREY, Palette, colour_scale, label, log_x, short
from mstudy.tables.table import LINE

Domain = tuple[float, float]
LABEL_ROOM = 2.2  # factor by which a log axis is widened for labels at the ends of lines
RATE_TITLE = "effective learning rate η/(1−μ)"


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with `label`: optimizer and momentum as charts say them."""
    names = [label(mu, optimizer) for mu, optimizer in frame.select("momentum", "optimizer").iter_rows()]
    return frame.with_columns(pl.Series("label", names, dtype=pl.String))


def with_evidence(cells: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """Return cells with the `evidence` of their line. thresholds: tables.THRESHOLDS."""
    return cells.join(thresholds.select(*LINE, "evidence"), on=LINE, how="left", maintain_order="left")


def seedless() -> pl.Expr:
    """Return whether a row with `evidence` rests on too few seeds, as `seedless`: such points are drawn open."""
    return (pl.col("evidence") == Replication.UNREPLICATED).fill_null(False).alias("seedless")


def open_points(chart: alt.Chart, palette: Palette, size: int, **channels: Any) -> alt.Chart:
    """Draw points in the colour of their optimizer, open where `seedless`."""
    scale = alt.Scale(domain=list(palette), range=list(palette.values()))
    inside = alt.FillOpacityValue(condition={"test": "datum.seedless", "value": 0}, value=1)
    points: alt.Chart = chart.mark_point(size=size, strokeWidth=1.6).encode(
        fill=alt.Fill("label:N", scale=scale, legend=None), fillOpacity=inside, **channels
    )
    return points


def dashed_bars() -> alt.StrokeDashValue:
    """Return the dash of an interval: over learning rates, where `seedless`, and not over seeds."""
    return alt.StrokeDashValue(condition={"test": "datum.seedless", "value": [4, 3]}, value=[1, 0])


def tips(**titles: str) -> list[alt.Tooltip]:
    """Make tooltips: column=title; numbers with three digits, counts and steps whole."""
    text = ("label", "status", "name", "event", "stratum", "note", "number")
    return [
        alt.Tooltip(f"{c}:N", title=t) if c in text else alt.Tooltip(f"{c}:Q", title=t, format=_format(c))
        for c, t in titles.items()
    ]


def _format(column: str) -> str:
    is_whole = column in ("batch_size", "seed", "n") or column.startswith("n_") or "step" in column
    return ",d" if is_whole else ".3~g"


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places moved as little as need be, in order, until neighbours are `gap` apart, within low and high."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = [places[k] for k in order]
    for _ in range(50):
        for k in range(1, len(moved)):
            lack = gap - (moved[k] - moved[k - 1])
            if lack > 1e-9:
                moved[k - 1] -= lack / 2
                moved[k] += lack / 2
        moved = [min(max(place, low), high) for place in moved]
    result = [0.0] * len(places)
    for k, place in zip(order, moved, strict=True):
        result[k] = place
    return result


def end_labels(frame: pl.DataFrame, x: str, y: str, domain: Domain, height: int, log: bool = True) -> pl.DataFrame:
    """Return the last point of each optimizer with `text` and a `label_y` at which no two labels collide.

    frame: `label`, x, y; domain: of y; height: of the panel, in pixels.
    """
    last = frame.filter(pl.col(y).is_not_null()).sort(x).group_by("label", maintain_order=True).last()
    if last.is_empty():
        return last.with_columns(pl.lit("").alias("text"), pl.lit(0.0).alias("label_y"))
    warp = math.log if log else float
    low, high = warp(domain[0]), warp(domain[1])
    per_pixel = (high - low) / height
    places = spread([warp(v) for v in last[y]], 13 * per_pixel, low + 6 * per_pixel, high - 6 * per_pixel)
    back = [math.exp(p) for p in places] if log else places
    texts = [short(name) for name in last["label"]]
    return last.with_columns(pl.Series("text", texts, dtype=pl.String), pl.Series("label_y", back, dtype=pl.Float64))


def haloed(words: alt.Chart) -> list[alt.Chart]:
    """Return words with their outline in the colour of the paper below them, so that marks do not run into letters."""
    outline = words.copy(deep=False)
    outline.mark = alt.MarkDef(**words.mark.to_dict(), stroke=CARD, strokeWidth=3, strokeJoin="round")
    return [outline, words]


def label_layer(ends: pl.DataFrame, x: alt.X, y: alt.Y, palette: Palette) -> list[alt.Chart]:
    """Label the ends of lines directly; ends: of end_labels."""
    # Colour goes by `label`, which is why it stays; the page's filter goes by `label` and `batch_size`.
    places = [name for name in ("batch_size", x.shorthand.split(":")[0]) if name in ends.columns]
    words = alt.Chart(ends.select("label", "text", "label_y", *places))
    chart: alt.Chart = words.mark_text(align="left", dx=8, fontSize=11, fontWeight=600).encode(
        x=x, y=y, text=alt.Text("text:N"), color=colour_scale(palette)
    )
    return haloed(chart)


def note_layer(text: str, y: float) -> alt.Chart:
    """Draw a grey remark at the left of a panel, y in pixels."""
    words = alt.Chart(pl.DataFrame({"note": [text]}))
    chart: alt.Chart = words.mark_text(align="left", baseline="middle", fontSize=10.5, color=GREY).encode(
        x=alt.XValue(4), y=alt.YValue(y), text=alt.Text("note:N")
    )
    return chart


# What follows the page's control, and is no result; "Why" is the section with the curves.
PICKED = " A dotted line marks the learning rate, a darker border the batch size, whose curves are drawn under “Why”."
PICKED_BATCH = " A darker border marks the batch size whose curves are drawn under “Why”."


def picked_rate(rates: Sequence[float], x: alt.X) -> tuple[alt.Chart, alt.Parameter]:
    """Return a hairline at the learning rate that the page's control has picked; none until it has."""
    parameter = alt.param(name="picked_rate", value=0)
    opacity = alt.OpacityValue(condition={"test": "datum.eta_ef == picked_rate", "value": 0.9}, value=0.0)
    rule = (
        alt.Chart(pl.DataFrame({"eta_ef": sorted(rates)}))
        .mark_rule(color=GREY, strokeWidth=1, strokeDash=[2, 3])
        .encode(x=x, opacity=opacity)
    )
    return rule, parameter


def batch_axis(frame: pl.DataFrame, column: str, domain: tuple[float, float]) -> alt.X:
    """Return ticks at the batch sizes there are."""
    values = frame["batch_size"].unique().sort().to_list()
    axis = alt.Axis(values=values, format=",", labelOverlap="greedy", labelSeparation=2, grid=False)
    return log_x(column, "batch size b", domain, 1.9).axis(axis)


def dodged(frame: pl.DataFrame, palette: Palette) -> pl.DataFrame:
    """Add `at`: side by side, a hair apart in log b, so that intervals of several momenta do not hide one another."""
    ranks = {name: i - (len(palette) - 1) / 2 for i, name in enumerate(palette)}
    shift = pl.col("label").replace_strict(ranks, default=0.0, return_dtype=pl.Float64)
    return frame.with_columns((pl.col("batch_size") * (1.0 + 0.07 * shift)).alias("at"))
