"""When does momentum help? Puts advantage, threshold, horizon and final loss together."""

from __future__ import annotations

import polars as pl

from mstudy.core.params import Analysis
from mstudy.core.statuses import GridStatus
from mstudy.report.charts.theme import (
    label,
)
from mstudy.report.sections.advantage import advantage_plate
from mstudy.report.sections.base import ReportData, Section, SectionSpec
from mstudy.report.sections.final_loss import loss_plate
from mstudy.report.sections.horizon import horizon_plate
from mstudy.report.sections.threshold import threshold_plate
from mstudy.report.words import interval, spanned
from mstudy.tables.contracts import THRESHOLDS


def build(data: ReportData, analysis: Analysis) -> Section:
    """Build the section; its plates are empty where no pair was found."""
    plates = [advantage_plate(data), threshold_plate(data), horizon_plate(data), loss_plate(data)]
    answer = when_answer(data.results[THRESHOLDS])
    return Section("when", "When does momentum help?", answer, [plate for plate in plates if plate.figures])


def when_answer(thresholds: pl.DataFrame) -> str:
    """Say where the thresholds of each momentum lie, over all batch sizes."""
    if thresholds.is_empty():
        return "There is nothing to compare: no pair of SGD and SGDM at equal effective learning rate was found."
    parts = []
    for rows in thresholds.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == GridStatus.ESTIMATED)
        where = "batch size" if known["batch_size"].n_unique() == rows["batch_size"].n_unique() else "of"
        if known.is_empty():
            parts.append(f"for {name} no threshold can be estimated")
            continue
        outer = interval(known["ci_low"].min(), known["ci_high"].max())  # type: ignore[arg-type]  # of numbers
        at = "at every batch size" if where == "batch size" else f"at {len(known)} of {len(rows)} batch sizes"
        threshold = spanned(known["eta_ef_star"].to_list())
        parts.append(f"{name} helps above a threshold of η_ef = {threshold} {at} (intervals {outer})")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


SECTION = SectionSpec(anchor="when", claims=("C1", "C2", "C3"), build=build)
