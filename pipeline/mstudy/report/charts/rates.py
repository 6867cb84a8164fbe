"""Small multiples over the effective learning rate, one panel a batch size: final loss, and advantage of SGDM."""

from __future__ import annotations

import math

import altair as alt
import polars as pl

from mstudy.report.charts.kit import LABEL_ROOM, Domain, end_labels, label_layer, named, note_layer, picked_rate, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, Palette, colour_scale, log_scale, log_x, log_y

_STRIP = 14  # pixels a row of marks for diverged runs takes
_RATE, _LOSS, _RATIO = "effective learning rate η/(1−μ)", "final training loss", "log L(SGD) / L(SGDM)"


def loss_by_rate(losses: pl.DataFrame, rates: Domain, span: Domain, palette: Palette) -> Layered:
    """Final loss against eta_ef at one batch size: mean line, band of the seeds' range, diverged seeds in rows on top.

    losses: of inference.losses.summarise_losses. rates, span: the axes' domains, shared by all panels.
    """
    columns = ["optimiser", "batch_size", "eta_ef", "loss", "loss_low", "loss_high", "n_finished", "n_diverged"]
    frame = named(losses).select(columns)
    domain, rows = _with_strip(span, palette)
    x = log_x("eta_ef", _RATE, rates, LABEL_ROOM)
    colour = colour_scale(palette)
    drawn = frame.filter(pl.col("loss").is_not_null())
    base = alt.Chart(drawn).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.16).encode(y=log_y("loss_low", _LOSS, domain), y2=alt.Y2("loss_high:Q"))
    seen = tips(
        optimiser="optimiser",
        eta_ef="η_ef",
        loss="loss, geometric mean",
        loss_low="lowest seed",
        loss_high="highest seed",
        n_finished="seeds finished",
        n_diverged="seeds diverged",
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=30, filled=True), strokeWidth=1.8).encode(
        y=log_y("loss", _LOSS, domain), tooltip=seen
    )
    fallen = frame.filter(pl.col("n_diverged") > 0).with_columns(
        pl.col("optimiser").replace_strict(rows, default=domain[1], return_dtype=pl.Float64).alias("ceiling"),
        (pl.col("n_finished") + pl.col("n_diverged")).alias("n"),
    )
    y = alt.Y("ceiling:Q", title=_LOSS, scale=log_scale(domain))
    crosses = (
        alt.Chart(fallen.select("optimiser", "batch_size", "eta_ef", "ceiling", "n_diverged", "n"))
        .mark_point(shape="cross", angle=45, size=55, filled=True, opacity=0.95)
        .encode(x=x, y=y, color=colour, tooltip=tips(optimiser="optimiser", eta_ef="η_ef", n_diverged="seeds diverged"))
    )
    share = crosses.transform_calculate(share="datum.n_diverged + '/' + datum.n")
    counts = share.mark_text(dx=7, align="left", fontSize=10).encode(text=alt.Text("share:N"))
    ends = label_layer(end_labels(drawn, "eta_ef", "loss", domain, HEIGHT), x, log_y("label_y", _LOSS, domain), palette)
    rule, picked = picked_rate(losses["eta_ef"].unique().to_list(), x)
    remark = [note_layer("diverged", _STRIP / 2)] if len(fallen) else []
    return layered(HEIGHT, rule, band, line, crosses, counts, ends, *remark, parameters=[picked])


def _with_strip(span: Domain, palette: Palette) -> tuple[Domain, dict[str, float]]:
    """The domain with room on top for a row an optimiser, so that SGD's crosses hide no other's; the rows' places."""
    low, high = math.log(span[0]), math.log(span[1])
    taken = _STRIP * len(palette)
    per_pixel = (high - low) / (HEIGHT - taken)
    top = high + taken * per_pixel
    rows = {name: math.exp(top - (k + 0.5) * _STRIP * per_pixel) for k, name in enumerate(palette)}
    return (span[0], math.exp(top)), rows


def advantage_by_rate(advantage: pl.DataFrame, margin: float, rates: Domain, span: Domain, palette: Palette) -> Layered:
    """Log ratio of final losses against eta_ef at one batch size, with intervals and the margin of equivalence.

    advantage: tables.ADVANTAGE. Cells in which SGD or SGDM diverged stand at the upper or lower edge as triangles.
    rates, span: the axes' domains, shared by all panels.
    """
    low, high = span
    fallen = pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") > 0
    columns = ["optimiser", "batch_size", "eta_ef", "log_ratio", "ci_low", "ci_high", "n_seeds"]
    frame = named(advantage.filter(pl.col("log_ratio").is_not_null()))
    # Side by side, a hair apart: what is true of one momentum is often true of the next.
    ranks = {name: k - (len(palette) - 1) / 2 for k, name in enumerate(palette)}
    shift = pl.col("optimiser").replace_strict(ranks, default=0.0, return_dtype=pl.Float64)
    frame = frame.with_columns((pl.col("eta_ef") * (1 + 0.08 * shift)).alias("at"))
    # What does not fit is cut at the edge, where a triangle would say so too.
    whole = frame.filter(~fallen).select("at", *columns)
    whole = whole.with_columns(pl.col("ci_low", "ci_high", "log_ratio").clip(low, high))
    scale = alt.Scale(domain=[low, high], nice=False)
    x = log_x("at", _RATE, rates, LABEL_ROOM)
    colour = colour_scale(palette)

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=_RATIO, scale=scale, axis=alt.Axis(tickCount=5, grid=False))

    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(y=y("low"), y2=alt.Y2("high:Q"))
    )
    base = alt.Chart(whole).encode(x=x, color=colour)
    seen = tips(optimiser="optimiser", eta_ef="η_ef", log_ratio="log ratio", ci_low="from", ci_high="to", n_seeds="n")
    bars = base.mark_rule(strokeWidth=1.8).encode(y=y("ci_low"), y2=alt.Y2("ci_high:Q"))
    dots = base.mark_line(point=alt.OverlayMarkDef(size=34, filled=True), strokeWidth=1).encode(
        y=y("log_ratio"), tooltip=seen
    )
    edges = frame.filter(fallen).select(
        "optimiser",
        "batch_size",
        "eta_ef",
        "n_diverged_sgd",
        "n_diverged_sgdm",
        "at",
        pl.when(pl.col("log_ratio") > 0).then(high).otherwise(low).alias("edge"),
        pl.when(pl.col("log_ratio") > 0).then(pl.lit("SGD")).otherwise(pl.lit("SGDM")).alias("diverged"),
    )
    shape = alt.Shape(
        "diverged:N",
        scale=alt.Scale(domain=["SGD", "SGDM"], range=["triangle-up", "triangle-down"]),
        legend=None,
    )
    gone = tips(optimiser="optimiser", eta_ef="η_ef", n_diverged_sgd="SGD diverged", n_diverged_sgdm="SGDM diverged")
    triangles = alt.Chart(edges).mark_point(filled=True, size=55, opacity=0.95)
    triangles = triangles.encode(x=x, y=y("edge"), color=colour, shape=shape, tooltip=gone)
    ends = end_labels(whole, "at", "log_ratio", span, HEIGHT, log=False)
    rule, picked = picked_rate(advantage["eta_ef"].unique().to_list(), log_x("eta_ef", _RATE, rates, LABEL_ROOM))
    remark = [note_layer("▲ SGD diverged", 2)] if len(edges.filter(pl.col("diverged") == "SGD")) else []
    words = label_layer(ends, x, y("label_y"), palette)
    return layered(HEIGHT, rule, zone, bars, dots, triangles, words, *remark, parameters=[picked])
