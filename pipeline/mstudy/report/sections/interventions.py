"""Branches of runs in which sharpening was intervened upon, where there are any."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.params import Analysis
from mstudy.core.statuses import BranchTime
from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, Palette, colour_scale
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.sections.branches.curves import branch_plates
from mstudy.report.sections.branches.effects import AXIS, CHART_HEIGHT, effects_plates
from mstudy.report.words import count, number
from mstudy.tables.contracts import INTERVENTIONS


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
    plates = [plate, *branch_plates(data), *effects_plates(data)]
    return Section("interventions", "Does the parting go when the sharpening does?", answer, plates)


def before_sharpenings(interventions: pl.DataFrame) -> pl.DataFrame:
    """Return the branches of SGD runs that are no controls: those of which the claim speaks."""
    is_control = (pl.col("intervention_at") == BranchTime.CONTROL).fill_null(False)
    return interventions.filter(~is_control & ~pl.col("of_sgdm").fill_null(False))


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
    columns = ["label", "batch_size", "eta_ef", "seed", "gap_parent", "gap_branch", "removed"]
    frame = named(branches).with_columns(_lost_its_sharpening().alias("removed")).select(columns)
    gaps = [*frame["gap_parent"], *frame["gap_branch"], 0.0, margin * 2]
    ends = [min(gaps) - margin, max(gaps) + margin]
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("gap_parent:Q", title=f"{words.axis.format(sgd='SGD', sgdm='SGDM')}, left alone", scale=scale, axis=AXIS)
    y_title = "the same of the branch"

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=y_title, scale=scale, axis=AXIS)

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
    return layered(CHART_HEIGHT, zone, line, removed, others)


SECTION = SectionSpec(anchor="interventions", claims=("C8",), build=build)
