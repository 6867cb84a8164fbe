"""The two moments: parting against sharpening, one point a pair; and the distribution of their lag with its null."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, PALE, Palette, colour_scale, log_x, log_y

_TALL = HEIGHT + 100


def parting_against_sharpening(pairs: pl.DataFrame, palette: Palette) -> Layered:
    """Step of parting against step of SGD's sharpening, one point a pair, and the line of coincidence.

    pairs: of inference.alignment.aligned_pairs.
    """
    columns = ["optimiser", "batch_size", "eta_ef", "seed", "sharpening_step", "step", "step_low", "step_high"]
    frame = named(pairs).select(columns)
    ends = [max(float(x), 1.0) for x in (*frame["sharpening_step"], *frame["step"])]
    square = min(ends) / 1.4, max(ends) * 1.4
    x = log_x("sharpening_step", "step of SGD's abrupt sharpening", square)
    y = log_y("step", "step of parting", square)
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
            x=x, y=log_y("step_low", "step of parting", square), y2=alt.Y2("step_high:Q"), color=colour_scale(palette)
        )
    )
    seen = tips(
        optimiser="optimiser", batch_size="b", eta_ef="η_ef", seed="seed", sharpening_step="sharpening", step="parting"
    )
    dots = alt.Chart(frame).mark_point(size=60, filled=True, opacity=0.9)
    return layered(_TALL, identity, word, bars, dots.encode(x=x, y=y, color=colour_scale(palette), tooltip=seen))


def lag_distribution(lags: pl.DataFrame, tolerance: tuple[float, float], palette: Palette) -> Layered:
    """Each pair's parting / sharpening as a dot, above the same with sharpening times exchanged between seeds.

    lags: of inference.lags.lags_with_null: `kind` ("own" or "exchanged"), `ratio`, and the pair's keys.
    tolerance: ratios within which the two count as one moment.
    """
    rows = {"own": "each pair", "exchanged": "seeds exchanged"}
    frame = named(lags).with_columns(pl.col("kind").replace_strict(rows).alias("row"))
    x = log_x("ratio", "step of parting / step of sharpening")
    y = alt.Y("row:N", sort=list(rows.values()), title=None, axis=alt.Axis(ticks=False, domain=False))
    zone = (
        alt.Chart(pl.DataFrame({"low": [tolerance[0]], "high": [tolerance[1]]}))
        .mark_rect(opacity=0.18, color=GREY)
        .encode(x=log_x("low", "step of parting / step of sharpening"), x2=alt.X2("high:Q"))
    )
    columns = ["row", "kind", "optimiser", "batch_size", "eta_ef", "seed", "ratio"]
    base = alt.Chart(frame.select(columns)).encode(x=x, y=y)
    null = (
        base.transform_filter("datum.kind == 'exchanged'")
        .mark_tick(color=PALE, thickness=1.5, size=50)
        .encode(tooltip=tips(batch_size="b", eta_ef="η_ef", ratio="ratio"))
    )
    seen = tips(optimiser="optimiser", batch_size="b", eta_ef="η_ef", seed="seed", ratio="ratio")
    own = (
        base.transform_filter("datum.kind == 'own'")
        .mark_tick(thickness=2.5, size=50)
        .encode(color=colour_scale(palette), tooltip=seen)
    )
    return layered(180, zone, null, own)
