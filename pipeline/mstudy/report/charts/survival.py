"""Share of runs without abrupt sharpening, with its interval and the numbers at risk."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, Palette, colour_scale, log_x, short

_ROW = 15  # pixels a row of numbers at risk takes


def survival_curves(
    curves: pl.DataFrame, at_risk: pl.DataFrame, floor: float, last_step: float, palette: Palette
) -> Layered:
    """Kaplan-Meier curves by optimiser, one stratum; the numbers still at risk stand below.

    curves: `step`, `share`, `low`, `high`; at_risk: `step`, `n`; both name the optimiser. floor: lowest share drawn.
    """
    steps = (1.0, max(last_step, 10.0))
    x = log_x("at", "step (updates made + 1)", steps)
    rows = len(palette)
    room = (1 - floor) * (_ROW * (rows + 1)) / (HEIGHT - _ROW * (rows + 1))
    scale = alt.Scale(domain=[floor - room, 1], nice=False)
    ticks = [v / 100 for v in range(0, 101, 5 if floor > 0.7 else 20) if v / 100 >= floor]
    title = "share without sharpening"

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(format=".0%", values=ticks, grid=False))

    drawn = named(curves).with_columns((pl.col("step") + 1).alias("at"))
    clipped = drawn.with_columns(pl.col("low", "high", "share").clip(floor, 1.0))
    base = alt.Chart(clipped.select("optimiser", "at", "step", "share", "low", "high"))
    base = base.encode(x=x, color=colour_scale(palette))
    band = base.mark_area(interpolate="step-after", opacity=0.13).encode(y=y("low"), y2=alt.Y2("high:Q"))
    seen = tips(optimiser="optimiser", step="step", share="without sharpening", low="from", high="to")
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(y=y("share"), tooltip=seen)
    per_pixel = (1 - floor + room) / HEIGHT
    places = {name: floor - (k + 1.5) * _ROW * per_pixel for k, name in enumerate(palette)}
    counts = named(at_risk).with_columns(
        (pl.col("step") + 1).alias("at"),
        pl.col("optimiser").replace_strict(places, default=floor, return_dtype=pl.Float64).alias("place"),
        pl.col("n").cast(pl.String).alias("text"),
    )
    align = alt.Chart(counts.select("optimiser", "at", "place", "text")).mark_text(fontSize=10.5)
    numbers = align.encode(x=x, y=y("place"), text=alt.Text("text:N"), color=colour_scale(palette))
    heads = pl.DataFrame(
        {
            "optimiser": list(places),
            "text": [short(name) for name in places],
            "place": list(places.values()),
            "at": [steps[0]] * rows,
        }
    )
    names = (
        alt.Chart(heads)
        .mark_text(fontSize=10.5, align="left", fontWeight=600, dx=2)
        .encode(x=x, y=y("place"), text=alt.Text("text:N"), color=colour_scale(palette))
    )
    head = (
        alt.Chart(pl.DataFrame({"at": [steps[0]], "place": [floor - 0.5 * _ROW * per_pixel], "note": ["at risk"]}))
        .mark_text(fontSize=10.5, align="left", dx=2, color=GREY)
        .encode(x=x, y=y("place"), text=alt.Text("note:N"))
    )
    return layered(HEIGHT + 20, band, line, head, names, numbers)
