"""Does the limit of stability move with the batch size as theory says?"""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.params import Analysis
from mstudy.report.charts.kit import (
    batch_axis,
    dodged,
    end_labels,
    label_layer,
    named,
    tips,
)
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    HEIGHT,
    Palette,
    colour_scale,
    data_domain,
    label,
    log_y,
)
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.words import count, few, interval, number
from mstudy.tables.contracts import LAW, STABILITY_LIMITS

_CHART_HEIGHT = HEIGHT + 30  # pixels


def build(data: ReportData, analysis: Analysis) -> Section | None:
    """Build the section: the largest stable learning rate against batch size, measured and predicted."""
    limits, law = data.results[STABILITY_LIMITS], data.results[LAW]
    figures = []
    for index, rows in data.by_setting(limits):
        drawable = rows.filter(pl.any_horizontal(pl.col("eta_ef_max", "predicted").is_not_null()))
        chart = limits_by_batch(drawable, data.palette) if len(drawable) else None
        title = data.title(index, "largest stable rate")
        figures.append(Figure(title, limits_caption(rows), rows, chart, index))
    plates = []
    if figures:
        note = (
            "The largest effective learning rate at which runs stay stable, points with 95 % intervals, and what the "
            "mean-square stability law predicts, dashed with its band."
        )
        plates.append(Plate("limits", "Limit of stability against batch size", note, figures, wide=True))
    if len(law):
        caption = "The law's coefficients, fitted per setting; a small p-value of the misfit speaks against the law."
        plates.append(Plate("law", "The law", "", [Figure("Coefficients", caption, law)], wide=True))
    if not plates:
        return None
    answer = limits_answer(limits) if len(limits) else ""
    return Section("law", "Does the limit move with b as theory says?", answer, plates)


def limits_answer(limits: pl.DataFrame) -> str:
    """Say how far measured and predicted limits are apart."""
    known = limits.filter(pl.col("misfit").is_not_null())
    if known.is_empty():
        return "No limit of stability could be both measured and predicted."
    factors = known["misfit"].abs().exp()
    inside = known.filter(pl.col("predicted").is_between(pl.col("ci_low"), pl.col("ci_high")))
    return (
        f"Measured and predicted limits differ by a factor {number(factors.median())} at the median and "  # type: ignore[arg-type]
        f"{number(factors.max())} at most; {len(inside)} of {len(known)} predictions lie in the measured interval."  # type: ignore[arg-type]
    )


def limits_caption(limits: pl.DataFrame) -> str:
    """Compare measured and predicted limits at the smallest and the largest batch size of each optimizer."""
    parts = []
    for rows in limits.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("eta_ef_max").is_not_null()).sort("batch_size")
        ends = [known.row(0, named=True), known.row(-1, named=True)] if len(known) > 1 else list(known.rows(named=True))
        sentences = [
            f"{number(r['eta_ef_max'])} {interval(r['ci_low'], r['ci_high'])} at b = {r['batch_size']:,} (predicted "
            f"{number(r['predicted'])}, {count(r['n_seeds'], 'seed')})"
            for r in ends
        ]
        parts.append(f"{name}: {', '.join(sentences) or 'no limit within the grid'}")
    return f"{few(parts, 2)}."


def limits_by_batch(limits: pl.DataFrame, palette: Palette) -> Layered:
    """Draw the largest stable eta_ef against batch size: measured with interval, predicted as a line with its band.

    limits: `eta_ef_max`, `ci_low`, `ci_high`, `predicted`, `predicted_low`, `predicted_high`, a row per batch size and
    optimizer.
    """
    frame = dodged(named(limits), palette)
    measured = frame.filter(pl.col("eta_ef_max").is_not_null())
    predicted = frame.filter(pl.col("predicted").is_not_null())
    numbers = ["eta_ef_max", "ci_low", "ci_high", "predicted", "predicted_low", "predicted_high"]
    span = data_domain([v for name in numbers for v in frame[name]], 1.2) or (0.1, 1.0)
    batches = data_domain(frame["batch_size"].to_list(), 1.3) or (1.0, 10.0)
    x, title = batch_axis(frame, "at", batches), "largest stable η/(1−μ)"
    colour = colour_scale(palette)
    law = alt.Chart(predicted.select("label", "batch_size", "at", *numbers[3:])).encode(x=x, color=colour)
    band = law.mark_area(opacity=0.14).encode(y=log_y("predicted_low", title, span), y2=alt.Y2("predicted_high:Q"))
    line = law.mark_line(strokeDash=[6, 4], strokeWidth=1.4).encode(y=log_y("predicted", title, span))
    base = alt.Chart(measured.select("label", "batch_size", "at", "n_seeds", *numbers[:4])).encode(x=x, color=colour)
    bars = base.mark_rule(strokeWidth=2).encode(y=log_y("ci_low", title, span), y2=alt.Y2("ci_high:Q"))
    tooltips = tips(label="optimizer", batch_size="b", eta_ef_max="measured", ci_low="from", ci_high="to")
    dots = base.mark_point(filled=True, size=50).encode(
        y=log_y("eta_ef_max", title, span), tooltip=[*tooltips, *tips(predicted="predicted", n_seeds="seeds")]
    )
    words = label_layer(
        end_labels(frame, "at", "eta_ef_max", span, _CHART_HEIGHT), x, log_y("label_y", title, span), palette
    )
    return layered(_CHART_HEIGHT, band, line, bars, dots, *words)


SECTION = SectionSpec(anchor="law", claims=("C7",), build=build)
