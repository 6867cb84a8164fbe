"""Why: curvature and loss over time; jump and stability line as two definitions of sharpening."""

from __future__ import annotations

import polars as pl

from mstudy.core.optimizers import HEAVY_BALL, SGD, optimizer_of
from mstudy.core.params import Analysis
from mstudy.core.statuses import SharpeningStatus, StabilityStatus
from mstudy.pairs.pairing import main_runs
from mstudy.report.results import Results
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.words import count
from mstudy.tables.contracts import RUNS, SHARPENINGS


def build(data: ReportData, analysis: Analysis) -> Section:
    """Build the section with the curves of all runs and the two definitions of sharpening."""
    title = "Why: curvature and loss over time"
    return Section("why", title, why_answer(data.results), [definitions_plate(data)], explorer=True)


def definitions_plate(data: ReportData) -> Plate:
    """Compare jump and stability line: where both are met, and where they disagree."""
    results = data.results
    keys = ["batch_size", "optimizer", "momentum"]
    sharpenings = (
        main_runs(results[RUNS])
        .select("run_id", *keys, "eta_ef", "seed")
        .join(
            results[SHARPENINGS].select(
                "run_id",
                "status",
                "step",
                "step_low",
                "step_high",
                "stability_status",
                "stability_step",
                "stability_agrees",
                "crossing_step",
            ),
            on="run_id",
        )
        .filter(pl.col("stability_status") != StabilityStatus.NO_LINE)
    )
    jumped, reached = (
        pl.col("status") == SharpeningStatus.DETECTED,
        pl.col("stability_status") == StabilityStatus.REACHED,
    )
    counts = (
        sharpenings.group_by(keys)
        .agg(
            pl.len().alias("runs"),
            jumped.sum().alias("jump"),
            reached.sum().alias("at_stability_line"),
            pl.col("crossing_step").is_not_null().sum().alias("crosses_it"),
            pl.col("stability_agrees").sum().alias("agree"),
            (~pl.col("stability_agrees")).sum().alias("apart"),
            (jumped & ~reached).sum().alias("jump_alone"),
            (reached & ~jumped).sum().alias("line_alone"),
        )
        .filter(pl.col("jump") + pl.col("at_stability_line") > 0)
        .sort(keys)
    )
    apart = sharpenings.filter(jumped & (~reached | ~pl.col("stability_agrees").fill_null(True))).sort(
        *keys, "eta_ef", "seed"
    )
    listed = apart.select(
        "batch_size", "eta_ef", "momentum", "seed", "step", "step_low", "step_high", "stability_step", "crossing_step"
    )
    figures = [Figure("How often each is met", definitions_caption(sharpenings), counts)]
    if len(listed):
        what = f"The {len(listed)} runs with a jump on which the two disagree; a dash: never settles at its line."
        figures.append(Figure("Where they disagree", what, listed))
    note = (
        f"A jump is abrupt sharpening as the data show it; the stability line, {optimizer_of(SGD).line_text} for SGD "
        f"and {optimizer_of(HEAVY_BALL).line_text} for heavy ball, is where theory puts the edge. Runs at their line "
        "from the first steps have no jump to find."
    )
    return Plate("definitions", "Two definitions of sharpening", note, figures, wide=True)


def why_answer(results: Results) -> str:
    """Say how many runs sharpen abruptly, by the jump and by the stability line."""
    sharpenings = results[SHARPENINGS].join(main_runs(results[RUNS]).select("run_id"), on="run_id")
    observed = sharpenings.filter(pl.col("status").is_in([SharpeningStatus.DETECTED, SharpeningStatus.NONE]))
    if observed.is_empty():
        return "No run has a log of curvature that is long enough to tell of sharpening."
    jumped = int((observed["status"] == SharpeningStatus.DETECTED).sum())
    agree = int(observed["stability_agrees"].sum() or 0)
    both = int(observed["stability_agrees"].is_not_null().sum())
    reached = int((sharpenings["stability_status"] == StabilityStatus.REACHED).sum())
    text = (
        f"{jumped} of {count(len(observed), 'run')} long enough to tell sharpen abruptly; {reached} settle at their "
        f"stability line"
    )
    return text + (f"; of the {both} that do both, {agree} do so at the same moment." if both else "; none does both.")


def definitions_caption(sharpenings: pl.DataFrame) -> str:
    """Say how often the two agree. found: a row a run with both statuses and `stability_agrees`."""
    jumped = sharpenings.filter(pl.col("status") == SharpeningStatus.DETECTED)
    if jumped.is_empty():
        return "No run has a jump, so there is nothing on which the two definitions could disagree."
    agree = int(jumped["stability_agrees"].sum() or 0)
    apart = int((~jumped["stability_agrees"]).sum() or 0)
    alone = int((jumped["stability_status"] != StabilityStatus.REACHED).sum())
    return (
        f"Of {count(len(jumped), 'run')} with a jump, {agree} settle at their stability line at the same moment, "
        f"{apart} at another, and {alone} never do."
    )


SECTION = SectionSpec(anchor="why", claims=(), build=build)
