"""The threshold had training stopped earlier."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.statuses import GridStatus
from mstudy.report.charts.kit import (
    PICKED_BATCH,
    dashed_bars,
    end_labels,
    label_layer,
    named,
    open_points,
    seedless,
    tips,
)
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    HEIGHT,
    Palette,
    colour_scale,
    data_domain,
    label,
    log_x,
    log_y,
)
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.words import count, few, interval, number
from mstudy.tables.contracts import HORIZONS


def horizon_plate(data: ReportData) -> Plate:
    """Put one figure for each setting and batch size side by side."""
    figures = []
    horizons = data.results[HORIZONS]
    if horizons is not None:
        known = horizons.filter(pl.col("status") == GridStatus.ESTIMATED)
        span = data_domain([v for name in ("ci_low", "ci_high", "eta_ef_star") for v in known[name]])
        for index, batch_size, part in data.batches(horizons):
            estimated = part.filter(pl.col("status") == GridStatus.ESTIMATED)
            chart = thresholds_by_horizon(part, span, data.palette) if span and len(estimated) else None
            title = data.title(index, f"b = {batch_size:,}")
            figures.append(Figure(title, horizon_caption(part), part, chart, index, batch_size))
    note = (
        "The same threshold had training been cut earlier: a threshold is a statement about a horizon, too."
        + PICKED_BATCH
    )
    return Plate("horizon", "Threshold against the length of training", note, figures)


def horizon_caption(horizons: pl.DataFrame) -> str:
    """Say how the threshold of one batch size moves with the length of training."""
    parts = []
    several = len(horizons.select("momentum", "optimizer").unique()) > 1
    for rows in horizons.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == GridStatus.ESTIMATED).sort("horizon")
        if several and len(known) > 1:  # the shortest and the whole training
            known = pl.concat([known.head(1), known.tail(1)])
        sentences = [
            f"{number(r['eta_ef_star'])} {interval(r['ci_low'], r['ci_high'])} at {r['horizon']:.0%} of training"
            for r in known.iter_rows(named=True)
        ]
        parts.append(f"{name}: {', '.join(sentences) or 'no threshold can be estimated'}")
    n = max(horizons["n_seeds"].to_list(), default=0)
    return f"b = {horizons['batch_size'][0]:,}: {few(parts)} ({count(n, 'seed')})."


def thresholds_by_horizon(horizons: pl.DataFrame, span: tuple[float, float], palette: Palette) -> Layered:
    """Draw threshold against the step at which training is cut, at one batch size, with intervals.

    horizons: tables.THRESHOLDS' columns with `horizon` (share of training) and `horizon_step`.
    """
    frame = named(horizons.filter(pl.col("status") == GridStatus.ESTIMATED))
    steps = data_domain(frame["horizon_step"].to_list(), 1.3) or (1.0, 10.0)
    x = log_x("horizon_step", "training cut at step", steps, 1.7)
    title = "threshold, η/(1−μ)"
    tooltips = tips(label="optimizer", horizon_step="cut at", eta_ef_star="threshold", ci_low="from", ci_high="to")
    columns = ["label", "batch_size", "horizon_step", "eta_ef_star", "ci_low", "ci_high"]
    base = alt.Chart(frame.select(*columns, seedless())).encode(x=x, color=colour_scale(palette))
    y = log_y("eta_ef_star", title, span)
    bars = base.mark_rule(strokeWidth=1.8).encode(
        y=log_y("ci_low", title, span), y2=alt.Y2("ci_high:Q"), strokeDash=dashed_bars()
    )
    line = base.mark_line(strokeWidth=1).encode(y=y)
    dots = open_points(base, palette, 32, y=y, tooltip=tooltips)
    ends = end_labels(frame, "horizon_step", "eta_ef_star", span, HEIGHT)
    return layered(HEIGHT, line, bars, dots, *label_layer(ends, x, log_y("label_y", title, span), palette))
