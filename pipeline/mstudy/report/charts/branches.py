"""What an intervention did to the gap between SGD and SGDM."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, Palette, colour_scale

_TALL = HEIGHT + 60
_PLAIN = alt.Axis(grid=False, labelFlush=False)  # moved inwards, the first label lies on the second


def gap_of_branches(branches: pl.DataFrame, margin: float, palette: Palette) -> Layered:
    """Final gap of each branch against that of the run it leaves; on the line nothing changed, in the band it is gone.

    branches: rows of tables.INTERVENTIONS with both gaps.
    """
    lost = pl.col("sharpened_parent") & ~pl.col("sharpened_branch")
    columns = ["optimiser", "batch_size", "eta_ef", "seed", "gap_parent", "gap_branch", "removed"]
    frame = named(branches).with_columns(lost.alias("removed")).select(columns)
    gaps = [*frame["gap_parent"], *frame["gap_branch"], 0.0, margin * 2]
    ends = [min(gaps) - margin, max(gaps) + margin]
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("gap_parent:Q", title="log L(SGD) / L(SGDM), left alone", scale=scale, axis=_PLAIN)
    y_title = "the same of the branch"

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=y_title, scale=scale, axis=_PLAIN)

    zone = (
        alt.Chart(pl.DataFrame({"gap_parent": [ends[0]], "to": [ends[1]], "low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(x=x, x2=alt.X2("to:Q"), y=y("low"), y2=alt.Y2("high:Q"))
    )
    same = alt.Chart(pl.DataFrame({"gap_parent": ends, "gap_branch": ends}))
    line = same.mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1).encode(x=x, y=y("gap_branch"))
    seen = tips(
        optimiser="optimiser", batch_size="b", eta_ef="η_ef", seed="seed", gap_parent="alone", gap_branch="branch"
    )
    base = alt.Chart(frame).encode(x=x, y=y("gap_branch"), color=colour_scale(palette), tooltip=seen)
    # Open: the branch sharpened all the same, so it says nothing of a run that did not.
    removed = base.transform_filter("datum.removed").mark_point(size=60, filled=True, opacity=1)
    others = base.transform_filter("!datum.removed").mark_point(size=60, strokeWidth=1.8, filled=False)
    return layered(_TALL, zone, line, removed, others)
