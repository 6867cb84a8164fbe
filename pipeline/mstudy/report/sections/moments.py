"""Do the two moments coincide? Does momentum prevent or defer sharpening?"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from mstudy.estimate.event_times.coincidence import aligned_pairs
from mstudy.estimate.event_times.deferral import ALL
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.pairs.pairing import main_runs
from mstudy.report import captions
from mstudy.report.charts.pairs import lag_distribution, parting_against_sharpening
from mstudy.report.charts.survival import survival_curves
from mstudy.report.sections.base import Figure, Plate, Section, Study
from mstudy.report.survival import drawn_curves, numbers_at_risk
from mstudy.tables.table import SETTING

_TEST = ("statistic", "decides", "estimate", "p_value", "n_pairs", "n_cells", "null", "why_refused")
_MOMENTS = tuple(float(f"{digit}e{power}") - 1 for power in range(1, 7) for digit in (1, 3))


def alignment_section(study: Study, lag_tolerance: float) -> Section:
    """Parting against sharpening, and how far apart they are."""
    results = study.results
    pairs = aligned_pairs(results.partings, results.sharpenings)
    answer = captions.lag_caption(results.alignment)
    tests = Figure(
        "The tests",
        "Both times follow the learning rate, so any two such times correlate over all pairs; the tests that do not "
        "decide are shown so that this can be seen, each with the reason. A dash: not to be had from these data.",
        results.alignment.select(_TEST),
    )
    figures = []
    if len(pairs):
        lags = lags_with_null(pairs)
        within = 1 - lag_tolerance, 1 + lag_tolerance
        figures = [
            Figure(
                "One point a pair",
                captions.points_caption(pairs, within),
                pairs.select(
                    "batch_size", "eta_ef", "momentum", "seed", "status", "sharpening_step", "step", "log_lag"
                ),
                parting_against_sharpening(pairs, study.palette),
            ),
            Figure(
                "The lag, and its null",
                captions.null_caption(lags, within),
                lags.select("kind", "batch_size", "eta_ef", "momentum", "seed", "ratio"),
                lag_distribution(lags, within, study.palette),
            ),
        ]
    note = (
        "Parting of SGD and SGDM against abrupt sharpening of SGD, with the 95 % intervals of the parting. The null "
        "pairs each parting with the sharpening of another seed at the same batch size and learning rate."
    )
    plates = [Plate("alignment", "Parting and sharpening", note, figures, wide=True)] if figures else []
    plates.append(Plate("alignment-tests", "", "", [tests], wide=True))
    return Section("alignment", "Do the two moments coincide?", answer, plates)


def definitions_plate(study: Study) -> Plate:
    """Jump and stability line, beside each other: where both speak, and where they disagree."""
    results = study.results
    keys = ["batch_size", "optimizer", "momentum"]
    found = (
        main_runs(results.runs)
        .select("run_id", *keys, "eta_ef", "seed")
        .join(
            results.sharpenings.select(
                "run_id",
                "status",
                "step",
                "step_low",
                "step_high",
                "stability_status",
                "stability_step",
                "stability_agrees",
            ),
            on="run_id",
        )
    )
    jumped, reached = pl.col("status") == "detected", pl.col("stability_status") == "reached"
    counts = (
        found.group_by(keys)
        .agg(
            pl.len().alias("runs"),
            jumped.sum().alias("jump"),
            reached.sum().alias("at_stability_line"),
            pl.col("stability_agrees").sum().alias("agree"),
            (~pl.col("stability_agrees")).sum().alias("apart"),
            (jumped & ~reached).sum().alias("jump_alone"),
            (reached & ~jumped).sum().alias("line_alone"),
        )
        .filter(pl.col("jump") + pl.col("at_stability_line") > 0)
        .sort(keys)
    )
    apart = found.filter(jumped & (~reached | ~pl.col("stability_agrees").fill_null(True))).sort(
        *keys, "eta_ef", "seed"
    )
    listed = apart.select("batch_size", "eta_ef", "momentum", "seed", "step", "step_low", "step_high", "stability_step")
    figures = [Figure("How often each is met", captions.definitions_caption(found), counts)]
    if len(listed):
        what = f"The {len(listed)} runs with a jump on which the two disagree; a dash: never settles at its line."
        figures.append(Figure("Where they disagree", what, listed))
    note = (
        "A jump is abrupt sharpening as the data show it; the stability line, 2/η for SGD and 2(1+μ)/η for heavy ball, "
        "is where theory puts the edge. Runs at their line from the first steps have no jump to find."
    )
    return Plate("definitions", "Two definitions of sharpening", note, figures, wide=True)


def deferral_section(study: Study) -> Section:
    """Survival curves over all runs and per batch size with an event, and the tests."""
    results = study.results
    answer = captions.deferral_caption(results.deferral)
    columns = ["stratum", "momentum", "n_sgd", "events_sgd", "events_sgdm", "diverged_sgd", "diverged_sgdm"]
    table = results.deferral.sort("momentum", pl.col("stratum").str.len_chars(), "stratum").select(
        *columns, "hazard_ratio", "ci_low", "ci_high", "p_value"
    )
    tests = "Hazard ratios below one: later under momentum; a dash: not estimable. The p-value is of the paired test."
    plates = [Plate("deferral-tests", "", "", [Figure("Events and tests", tests, table)], wide=True)]
    if len(results.deferral):
        figures = _survival(study)
        note = (
            "Share of runs that have not sharpened abruptly (Kaplan-Meier, pointwise 95 % intervals); runs that "
            "diverged or ended are censored, and the numbers still at risk stand below. A curve ends where fewer than "
            "a tenth, or than five, are left."
        )
        plates[:0] = [Plate("survival", "Time to abrupt sharpening", note, figures)] if figures else []
    return Section("deferral", "Does momentum prevent or defer sharpening?", answer, plates)


def _survival(study: Study) -> list[Figure]:
    """Per setting: all runs, then each batch size at which a run sharpens; the others are named."""
    figures = []
    for index, rows in study.by_setting(study.results.survival):
        strata = sorted(rows.partition_by("stratum"), key=lambda part: (part["stratum"][0] != ALL, _batch_size(part)))
        if len(strata) == 2:  # of one batch size: it is all
            strata = strata[:1]
        eventful = [part for part in strata if part["stratum"][0] == ALL or part["n_events"].sum() > 0]
        quiet = [part["stratum"][0] for part in strata if part["stratum"][0] != ALL and part["n_events"].sum() == 0]
        drawn = [_stratum_figure(study, index, part) for part in eventful]
        if quiet and drawn:
            told = f"{drawn[0].caption} No run sharpens abruptly at {', '.join(quiet)}."
            drawn[0] = replace(drawn[0], caption=told)
        figures += drawn
    return figures


def _stratum_figure(study: Study, index: int, rows: pl.DataFrame) -> Figure:
    last = float(study.results.runs["last_step"].max() or 1)  # type: ignore[arg-type]  # of a column of whole numbers
    curves = drawn_curves(rows)
    at_risk = numbers_at_risk(rows, [moment for moment in _MOMENTS if moment < last])
    floor = max(0.0, min(0.9, round(min(curves["low"].to_list()) - 0.05, 1)))
    chart = survival_curves(curves, at_risk, floor, last, study.palette)
    stratum = rows["stratum"][0]
    title = study.title(index, "all runs" if stratum == ALL else stratum)
    return Figure(title, captions.survival_caption(curves, at_risk), rows.drop("stratum", *SETTING), chart, index)


def _batch_size(part: pl.DataFrame) -> int:
    """Of a stratum's name, for its place; all of them come first anyway."""
    digits = part["stratum"][0].removeprefix("b = ")
    return int(digits) if digits.isdigit() else 0
