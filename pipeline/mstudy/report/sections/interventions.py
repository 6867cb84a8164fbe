"""Branches of runs in which sharpening was intervened upon, where there are any."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.optimizers import SGD
from mstudy.core.params import Analysis
from mstudy.core.statuses import BranchTime
from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    GREY,
    HEIGHT,
    Palette,
    colour_scale,
    label,
)
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.sections.branch_curves import branch_plates
from mstudy.report.words import count, interval, number
from mstudy.tables.contracts import INTERVENTIONS, TREATMENTS

_CHART_HEIGHT = HEIGHT + 60  # pixels


_AXIS = alt.Axis(grid=False, labelFlush=False)  # moved inwards, the first label lies on the second


def build(data: ReportData, analysis: Analysis) -> Section | None:
    """Build the section: one figure for each kind of intervention and setting."""
    margin = analysis.margins.advantage
    branches = before_sharpenings(data.results[INTERVENTIONS])
    if branches.is_empty():
        return None
    figures = []
    for index, rows in data.by_setting(branches):
        for kind in rows.sort("intervention").partition_by("intervention", maintain_order=True):
            drawable = kind.drop_nulls(["gap_parent", "gap_branch"])
            chart = gap_of_branches(drawable, margin, data.palette, data.words) if len(drawable) else None
            title = data.title(index, str(kind["intervention"][0]))
            figures.append(Figure(title, interventions_caption(kind), kind.drop("branch_run_id"), chart, index))
    note = (
        "Each point a branch and an SGDM run: its final gap against that of the run it leaves. On the dashed line the "
        "intervention changed nothing; in the grey band the gap is gone. Open: there was no sharpening to remove, or "
        "it came all the same."
    )
    plate = Plate("interventions", "Gap with and without the sharpening", note, figures)
    answer = interventions_answer(branches, margin, data.words)
    plates = [plate, *branch_plates(data), *_effects(data)]
    return Section("interventions", "Does the parting go when the sharpening does?", answer, plates)


def before_sharpenings(interventions: pl.DataFrame) -> pl.DataFrame:
    """Return the branches of SGD runs that are no controls: those of which the claim speaks."""
    is_control = (pl.col("intervention_at") == BranchTime.CONTROL).fill_null(False)
    return interventions.filter(~is_control & ~pl.col("of_sgdm").fill_null(False))


def _effects(data: ReportData) -> list[Plate]:
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


_TABLE_CAPTION = (
    "Effects with 95 % intervals over the units, each a block or, where there are few blocks, a seed. The contrast is "
    "the effect before the sharpening less that at the control time; p is that of its being at most 0."
)


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
        interval = (
            "" if row["contrast_low"] is None else (f" [{number(row['contrast_low'])}, {number(row['contrast_high'])}]")
        )
        parts.append(
            f"{row['intervention']}: {number(row['contrast'])}{interval} more than at the control time (n = {row['n']} "
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
    x = alt.X("effect:Q", title=f"{words.short} that goes", axis=_AXIS)
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
    return layered(_CHART_HEIGHT, zero, rule, before, control)


def interventions_answer(branches: pl.DataFrame, margin: float, words: ScaleWords = WORDS[Scale.LOG]) -> str:
    """Say, of the branches that lost the sharpening of their parents, how many lost the gap."""
    lost = branches.filter(_lost_its_sharpening()).drop_nulls(["gap_parent", "gap_branch"])
    n_closed = int((lost["gap_branch"].abs() <= margin).sum())
    return (
        f"Of {count(len(branches), 'branch')}, {len(lost)} lost the abrupt sharpening of the run they left; of these, "
        f"{n_closed} end within {margin:g} {words.within} of SGDM."
    )


def interventions_caption(branches: pl.DataFrame) -> str:
    """Say what the mean gaps are for one kind of intervention: of the runs left alone, and of their branches."""
    lost = branches.filter(_lost_its_sharpening()).drop_nulls(["gap_parent", "gap_branch"])
    seeds = count(lost["seed"].n_unique(), "seed")
    if lost.is_empty():
        return f"{count(len(branches), 'branch')}, none of which lost the sharpening of the run it left."
    return (
        f"{len(lost)} of {count(len(branches), 'branch')} lost the sharpening ({seeds}): their mean gap is "
        f"{number(float(lost['gap_branch'].to_numpy().mean()))}, left alone "
        f"{number(float(lost['gap_parent'].to_numpy().mean()))}."
    )


def _lost_its_sharpening() -> pl.Expr:
    """Select branches whose parent sharpened after the intervention, and which did not themselves."""
    return pl.col("sharpened_parent") & ~pl.col("sharpened_branch")


def gap_of_branches(
    branches: pl.DataFrame, margin: float, palette: Palette, words: ScaleWords = WORDS[Scale.LOG]
) -> Layered:
    """Draw final gap of each branch against that of the run it leaves; on the line nothing changed, in the band it
    is gone.

    branches: rows of tables.INTERVENTIONS with both gaps.
    """
    lost = pl.col("sharpened_parent") & ~pl.col("sharpened_branch")
    columns = ["label", "batch_size", "eta_ef", "seed", "gap_parent", "gap_branch", "removed"]
    frame = named(branches).with_columns(lost.alias("removed")).select(columns)
    gaps = [*frame["gap_parent"], *frame["gap_branch"], 0.0, margin * 2]
    ends = [min(gaps) - margin, max(gaps) + margin]
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("gap_parent:Q", title=f"{words.axis.format(sgd='SGD', sgdm='SGDM')}, left alone", scale=scale, axis=_AXIS)
    y_title = "the same of the branch"

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=y_title, scale=scale, axis=_AXIS)

    zone = (
        alt.Chart(pl.DataFrame({"gap_parent": [ends[0]], "to": [ends[1]], "low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(x=x, x2=alt.X2("to:Q"), y=y("low"), y2=alt.Y2("high:Q"))
    )
    same = alt.Chart(pl.DataFrame({"gap_parent": ends, "gap_branch": ends}))
    line = same.mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1).encode(x=x, y=y("gap_branch"))
    tooltips = tips(
        label="optimizer", batch_size="b", eta_ef="η_ef", seed="seed", gap_parent="alone", gap_branch="branch"
    )
    base = alt.Chart(frame).encode(x=x, y=y("gap_branch"), color=colour_scale(palette), tooltip=tooltips)
    # Open: the branch sharpened all the same, so it says nothing of a run that did not.
    removed = base.transform_filter("datum.removed").mark_point(size=60, filled=True, opacity=1)
    others = base.transform_filter("!datum.removed").mark_point(size=60, strokeWidth=1.8, filled=False)
    return layered(_CHART_HEIGHT, zone, line, removed, others)


SECTION = SectionSpec(anchor="interventions", claims=("C8",), build=build)
