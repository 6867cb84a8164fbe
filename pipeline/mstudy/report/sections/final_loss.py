"""What each optimizer reaches: the final loss over the effective learning rate."""

from __future__ import annotations

import math
import sys
from typing import assert_never

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS
from mstudy.core.optimizers import SGD
from mstudy.report.charts.kit import (
    LABEL_ROOM,
    PICKED,
    RATE_TITLE,
    Domain,
    end_labels,
    label_layer,
    named,
    note_layer,
    picked_rate,
    tips,
)
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    HEIGHT,
    Palette,
    colour_scale,
    data_domain,
    drawable,
    label,
    linear_domain,
    linear_scale,
    linear_y,
    log_scale,
    log_x,
    log_y,
)
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.words import count, number
from mstudy.tables.contracts import FINAL_LOSSES

_LOSS_TITLE = "final training loss"


_STRIP_PIXELS = 14  # pixels a row of marks for diverged runs takes


def loss_plate(data: ReportData) -> Plate:
    """Put one figure for each setting and batch size side by side."""
    losses = data.results[FINAL_LOSSES]
    rates = data_domain(losses["eta_ef"].to_list()) or (0.1, 1.0)
    figures = []
    for index, setting in data.by_setting(losses):
        span = _span([*setting["loss_low"], *setting["loss_high"]], data.scale)
        for _, batch_size, part in data.batches(setting):
            drawable = span is not None and len(part.filter(pl.col("loss").is_not_null()))
            chart = loss_by_rate(part, rates, span, data.palette, data.scale) if span and drawable else None
            title = data.title(index, f"b = {batch_size:,}")
            numbers = part.drop("loss_unit") if data.scale is Scale.LOG else part
            figures.append(Figure(title, loss_caption(part, batch_size), numbers, chart, index, batch_size))
    note = (
        f"Final training loss: lines are {data.words.mean}s over the seeds that finished, bands the seeds' whole "
        "range. "
        "Crosses on top count the seeds that diverged."
    )
    return Plate("loss", "What each optimizer reaches", note + PICKED, figures)


def loss_caption(losses: pl.DataFrame, batch_size: int) -> str:
    """Say who reaches the lowest loss at this batch size, and where SGD stops finishing."""
    finished = losses.filter(pl.col("loss").is_not_null())
    if finished.is_empty():
        return f"b = {batch_size:,}: no run finished."
    best = finished.sort("loss").row(0, named=True)
    n = max((losses["n_finished"] + losses["n_diverged"]).to_list())
    winner = label(best["momentum"], best["optimizer"])
    text = (
        f"b = {batch_size:,}: the lowest loss, {number(best['loss'])}, is reached by {winner} at "
        f"η_ef = {number(best['eta_ef'])} ({count(n, 'seed')} a point)."
    )
    diverged = losses.filter((pl.col("optimizer") == SGD) & (pl.col("n_diverged") > 0))
    if not diverged.is_empty():
        text += f" SGD diverges from η_ef = {number(min(diverged['eta_ef'].to_list()))}."
    return text


def _span(losses: list[float | None], scale: Scale) -> Domain | None:
    """Return the range of the losses, a little widened; None where nothing can be drawn."""
    match scale:
        case Scale.LOG:
            return data_domain(losses)
        case Scale.DIFFERENCE:
            return linear_domain(losses)
        case _:
            assert_never(scale)


def loss_by_rate(
    losses: pl.DataFrame, rates: Domain, span: Domain, palette: Palette, scale: Scale = Scale.LOG
) -> Layered:
    """Draw final loss against eta_ef at one batch size: mean line, band of the seeds' range, diverged seeds in rows
    on top.

    losses: tables.FINAL_LOSSES. rates, span: the axes' domains, shared by all panels.
    """
    columns = ["label", "batch_size", "eta_ef", "loss", "loss_low", "loss_high", "n_finished", "n_diverged"]
    frame = named(losses).select(columns)
    log = scale is Scale.LOG
    value_axis = log_y if log else linear_y
    domain, rows = _with_strip(span, palette, log)
    x = log_x("eta_ef", RATE_TITLE, rates, LABEL_ROOM)
    colour = colour_scale(palette)
    drawn = frame.filter(pl.col("loss").is_not_null())
    base = alt.Chart(drawn).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.16).encode(y=value_axis("loss_low", _LOSS_TITLE, domain), y2=alt.Y2("loss_high:Q"))
    tooltips = tips(
        label="optimizer",
        eta_ef="η_ef",
        loss=f"loss, {WORDS[scale].mean}",
        loss_low="lowest seed",
        loss_high="highest seed",
        n_finished="seeds finished",
        n_diverged="seeds diverged",
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=30, filled=True), strokeWidth=1.8).encode(
        y=value_axis("loss", _LOSS_TITLE, domain), tooltip=tooltips
    )
    diverged = frame.filter(pl.col("n_diverged") > 0).with_columns(
        pl.col("label").replace_strict(rows, default=domain[1], return_dtype=pl.Float64).alias("ceiling"),
        (pl.col("n_finished") + pl.col("n_diverged")).alias("n"),
    )
    y = alt.Y("ceiling:Q", title=_LOSS_TITLE, scale=log_scale(domain) if log else linear_scale(domain))
    crosses = (
        alt.Chart(diverged.select("label", "batch_size", "eta_ef", "ceiling", "n_diverged", "n"))
        .mark_point(shape="cross", angle=45, size=55, filled=True, opacity=0.95)
        .encode(x=x, y=y, color=colour, tooltip=tips(label="optimizer", eta_ef="η_ef", n_diverged="seeds diverged"))
    )
    share = crosses.transform_calculate(share="datum.n_diverged + '/' + datum.n")
    counts = share.mark_text(dx=7, align="left", fontSize=10).encode(text=alt.Text("share:N"))
    ends = label_layer(
        end_labels(drawn, "eta_ef", "loss", domain, HEIGHT, log),
        x,
        value_axis("label_y", _LOSS_TITLE, domain),
        palette,
    )
    rule, picked = picked_rate(losses["eta_ef"].unique().to_list(), x)
    remark = [note_layer("diverged", _STRIP_PIXELS / 2)] if len(diverged) else []
    return layered(HEIGHT, rule, band, line, crosses, counts, *ends, *remark, parameters=[picked])


def _with_strip(span: Domain, palette: Palette, log: bool) -> tuple[Domain, dict[str, float]]:
    """Return the domain with room on top for a row an optimizer, so that SGD's crosses hide no other's; the rows'
    places.
    """
    low, high = (math.log(span[0]), math.log(span[1])) if log else span
    strip_height = _STRIP_PIXELS * len(palette)
    per_pixel = (high - low) / (HEIGHT - strip_height)
    if not log:
        top = high + strip_height * per_pixel
        return (low, top), {name: top - (k + 0.5) * _STRIP_PIXELS * per_pixel for k, name in enumerate(palette)}
    # Losses from one end of what floats hold to the other leave no room on top: the rows then lie over the curves.
    top = min(high + strip_height * per_pixel, math.log(sys.float_info.max))
    rows = {name: math.exp(top - (k + 0.5) * _STRIP_PIXELS * per_pixel) for k, name in enumerate(palette)}
    return (span[0], drawable(math.exp(top))), rows
