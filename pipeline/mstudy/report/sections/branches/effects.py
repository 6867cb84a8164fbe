"""What each treatment of branches does at either time: a chart and a table."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from mstudy.core.losses.words import ScaleWords
from mstudy.core.optimizers import SGD
from mstudy.report.charts.kit import tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, Palette, label
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.words import count, interval, number
from mstudy.tables.contracts import TREATMENTS

CHART_HEIGHT = HEIGHT + 60  # pixels
AXIS = alt.Axis(grid=False, labelFlush=False)  # moved inwards, the first label lies on the second
_TABLE_CAPTION = (
    "Effects with 95 % intervals over the units, each a block or, where there are few blocks, a seed. The contrast is "
    "the effect before the sharpening less that at the control time; p is that of its being at most 0."
)


def effects_plates(data: ReportData) -> list[Plate]:
    """Return the plate of what each treatment does at either time; none without controls."""
    figures = [
        Figure(
            data.title(index, "Effects"),
            effects_caption(rows),
            rows,
            effects_of_treatments(rows, data.palette, data.words),
            index,
        )
        for index, rows in data.by_setting(data.results[TREATMENTS])
    ]
    note = (
        f"What a treatment takes of the {data.words.measure} of SGD to SGDM by the end of its window: before the "
        "sharpening (filled), and in a window of the same length at a control time (open), with 95 % intervals over "
        "the units. What it does only by training faster shows at both times. SGDM at a raised rate is the converse: "
        "it is forced to the stability line of SGD, so what it takes of the gap it takes by becoming worse."
    )
    tables = [
        Figure(data.title(index, "Table of effects"), _TABLE_CAPTION, effects_table(rows), setting=index)
        for index, rows in data.by_setting(data.results[TREATMENTS])
    ]
    if not figures:
        return []
    return [
        Plate("treatments", "What each treatment does, and what it does anyway", note, figures),
        Plate("effects", "", "", tables, wide=True),
    ]


def effects_table(treatments: pl.DataFrame) -> pl.DataFrame:
    """Return the effects as a reader wants them, one row a treatment. treatments: tables.TREATMENTS."""
    return pl.DataFrame(
        [
            {
                "treatment": row["intervention"],
                "before the sharpening": _estimate(row, "effect_sharpening"),
                "at the control time": _estimate(row, "effect_control"),
                "contrast": _estimate(row, "contrast"),
                "p_value": row["p_value"],
                "units": count(row["n"], row["unit"].removesuffix("s")),
                "branches": row["n_branches"],
                "without the sharpening": row["n_removed"],
                "diverged": row["n_diverged"],
            }
            for row in treatments.iter_rows(named=True)
        ],
        schema_overrides={"p_value": pl.Float64},
    )


def _estimate(row: dict[str, Any], name: str) -> str:
    """Return a number with its interval; a dash where there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return number(row[name]) if low is None else f"{number(row[name])} {interval(low, high)}"


def effects_caption(treatments: pl.DataFrame) -> str:
    """Say the contrast of each treatment, or that its branches diverged."""
    parts = []
    for row in treatments.iter_rows(named=True):
        if row["contrast"] is None:
            parts.append(f"{row['intervention']}: {row['n_diverged']} of {count(row['n_branches'], 'branch')} diverged")
            continue
        parts.append(
            f"{row['intervention']}: {_estimate(row, 'contrast')} more than at the control time (n = {row['n']} "
            f"{row['unit']}; {row['n_removed']} of {count(row['n_branches'], 'branch')} without the sharpening)"
        )
    return "; ".join(parts) + "."


def effects_of_treatments(treatments: pl.DataFrame, palette: Palette, words: ScaleWords) -> Layered:
    """Draw the effect of each treatment at the sharpening and at the control time, with intervals."""
    parts = [
        treatments.select(
            pl.col("intervention").alias("name"),
            pl.lit(time).alias("event"),
            *(pl.col(f"{name}{end}").alias(f"effect{end}") for end in ("", "_low", "_high")),
        )
        for time, name in (("before the sharpening", "effect_sharpening"), ("control time", "effect_control"))
    ]
    frame = pl.concat(parts).drop_nulls("effect")
    times = alt.Scale(domain=["before the sharpening", "control time"])
    y = alt.Y("name:N", title=None, sort=None)
    offset = alt.YOffset("event:N", scale=times)
    base = alt.Chart(frame).encode(y=y, yOffset=offset)
    x = alt.X("effect:Q", title=f"{words.short} that goes", axis=AXIS)
    rule = base.mark_rule(color=GREY, strokeWidth=1.5).encode(x=alt.X("effect_low:Q"), x2=alt.X2("effect_high:Q"))
    tooltips = tips(name="treatment", event="when", effect="effect", effect_low="low", effect_high="high")
    points = base.encode(x=x, tooltip=tooltips)
    before = points.transform_filter("datum.event == 'before the sharpening'").mark_point(
        size=60, filled=True, opacity=1, color=palette[label(0.0, SGD)]
    )
    control = points.transform_filter("datum.event == 'control time'").mark_point(
        size=60, filled=False, strokeWidth=1.8, color=palette[label(0.0, SGD)]
    )
    zero = alt.Chart(pl.DataFrame({"effect": [0.0]})).mark_rule(color=GREY, strokeDash=[5, 4]).encode(x=x)
    return layered(CHART_HEIGHT, zero, rule, before, control)
