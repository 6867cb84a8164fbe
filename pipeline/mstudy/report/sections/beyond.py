"""Beyond the paper: best against best, the limit of stability and its law, power. Each where its table is there."""

from __future__ import annotations

import polars as pl

from mstudy.report import captions_beyond as captions
from mstudy.report.charts.batches import forest, limits_by_batch
from mstudy.report.sections.base import Figure, Plate, Section, Study


def best_section(study: Study, margin: float) -> Section | None:
    """The best tuned SGD against the best tuned SGDM (C6)."""
    best = study.results.best
    if best.is_empty():
        return None
    figures = []
    for index, rows in study.by_setting(best):
        known = rows.filter(pl.col("log_ratio").is_not_null())
        chart = forest(known, margin, study.palette) if len(known) else None
        title = study.title(index, "best against best")
        figures.append(Figure(title, captions.best_caption(rows, margin), rows, chart, index))
    note = (
        "Each optimiser at the learning rate that suits it best. Grey: within the margin the two count as equal. Bars "
        "are 95 % intervals; an open point: the best rate lies at the end of the grid, a better one may lie beyond."
    )
    plate = Plate("best", "Log loss ratio at each one's best rate", note, figures, wide=True)
    return Section("best", "Does the best SGDM beat the best SGD?", captions.best_answer(best, margin), [plate])


def law_section(study: Study) -> Section | None:
    """The largest stable learning rate against batch size, measured and predicted (C7)."""
    limits, law = study.results.stability_limits, study.results.law
    figures = []
    for index, rows in study.by_setting(limits):
        drawable = rows.filter(pl.any_horizontal(pl.col("eta_ef_max", "predicted").is_not_null()))
        chart = limits_by_batch(drawable, study.palette) if len(drawable) else None
        title = study.title(index, "largest stable rate")
        figures.append(Figure(title, captions.limits_caption(rows), rows, chart, index))
    plates = []
    if figures:
        note = (
            "The largest effective learning rate at which runs stay stable, points with 95 % intervals, and what the "
            "mean-square stability law predicts, dashed with its band."
        )
        plates.append(Plate("limits", "Limit of stability against batch size", note, figures, wide=True))
    if len(law):
        told = "The law's coefficients, fitted per setting; a small p-value of the misfit speaks against the law."
        plates.append(Plate("law", "The law", "", [Figure("Coefficients", told, law)], wide=True))
    if not plates:
        return None
    answer = captions.limits_answer(limits) if len(limits) else ""
    return Section("law", "Does the limit move with b as theory says?", answer, plates)


def power_section(study: Study) -> Section | None:
    """What this study could have seen, claim by claim."""
    power = study.results.power
    if power.is_empty():
        return None
    told = captions.power_caption(power)
    figure = Figure("Power", told, power)
    note = (
        "A verdict of inconclusive or untestable is a statement about the study: this is how large it would have to be."
    )
    plate = Plate("power", "Effects that would be seen with 80 % power", note, [figure], wide=True)
    return Section("power", "What could this study have seen?", "", [plate])
