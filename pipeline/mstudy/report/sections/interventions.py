"""Branches of runs in which sharpening was intervened upon, where there are any (C8)."""

from __future__ import annotations

from mstudy.report.captions_beyond import interventions_answer, interventions_caption
from mstudy.report.charts.branches import gap_of_branches
from mstudy.report.sections.base import Figure, Plate, Section, Study


def interventions_section(study: Study, margin: float) -> Section | None:
    """One figure a kind of intervention and setting."""
    branches = study.results.interventions
    if branches.is_empty():
        return None
    figures = []
    for index, rows in study.by_setting(branches):
        for kind in rows.sort("intervention").partition_by("intervention", maintain_order=True):
            drawable = kind.drop_nulls(["gap_parent", "gap_branch"])
            chart = gap_of_branches(drawable, margin, study.palette) if len(drawable) else None
            title = study.title(index, str(kind["intervention"][0]))
            figures.append(Figure(title, interventions_caption(kind), kind.drop("branch_run_id"), chart, index))
    note = (
        "Each point a branch and an SGDM run: its final gap against that of the run it leaves. On the dashed line the "
        "intervention changed nothing; in the grey band the gap is gone. Open: there was no sharpening to remove, or "
        "it came all the same."
    )
    plate = Plate("interventions", "Gap with and without the sharpening", note, figures)
    answer = interventions_answer(branches, margin)
    return Section("interventions", "Does the parting go when the sharpening does?", answer, [plate])
