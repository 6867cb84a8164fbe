"""What is estimated per batch size: thresholds in both units, over horizons, and limits of stability."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.charts.kit import end_labels, label_layer, named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, HEIGHT, Palette, colour_scale, data_domain, log_x, log_y

_UNITS = {
    False: ("eta_ef_star", "ci_low", "ci_high", "threshold, η/(1−μ)"),
    True: (
        "eta_ef_per_sample_star",
        "eta_ef_per_sample_low",
        "eta_ef_per_sample_high",
        "threshold per sample, η/((1−μ)·b)",
    ),
}
_TALL = HEIGHT + 30


def thresholds_by_batch(thresholds: pl.DataFrame, limits: pl.DataFrame, per_sample: bool, palette: Palette) -> Layered:
    """Threshold against batch size with its interval, in eta_ef or in eta_ef / b (tables.THRESHOLDS).

    limits: tables.STABILITY_LIMITS of plain SGD; what the law predicts of them stands dashed above, with its band.
    """
    star, low, high, title = _UNITS[per_sample]
    frame = _dodged(named(thresholds.filter(pl.col("status") == "estimated")), palette)
    law = _law_of(limits, per_sample)
    span = data_domain([v for part, names in ((frame, (star, low, high)), (law, _LAW)) for n in names for v in part[n]])
    span = span or (0.1, 1.0)
    batches = data_domain([*frame["batch_size"], *law["batch_size"]], 1.3) or (1.0, 10.0)
    x = _batch_axis(frame.select("batch_size").vstack(law.select("batch_size")), "at", batches)
    seen = tips(optimiser="optimiser", batch_size="b", **{star: "threshold", low: "from", high: "to"}, n_seeds="seeds")
    columns = ["optimiser", "batch_size", "at", star, low, high, "n_seeds"]
    base = alt.Chart(frame.select(columns)).encode(x=x, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(y=log_y(low, title, span), y2=alt.Y2(f"{high}:Q"))
    dots = base.mark_line(point=alt.OverlayMarkDef(size=50, filled=True), strokeWidth=1).encode(
        y=log_y(star, title, span), tooltip=seen
    )
    words = label_layer(end_labels(frame, "at", star, span, _TALL), x, log_y("label_y", title, span), palette)
    return layered(_TALL, *_law_layers(law, x, title, span, palette), bars, dots, words)


_LAW = ("predicted", "predicted_low", "predicted_high")


def _law_of(limits: pl.DataFrame, per_sample: bool) -> pl.DataFrame:
    """`batch_size`, `at`, `optimiser` and the law's prediction of SGD's limit, in the unit of the chart."""
    rows = named(limits.filter(pl.col("predicted").is_not_null())).sort("batch_size")
    unit = pl.col("batch_size") if per_sample else pl.lit(1)
    at = pl.col("batch_size").cast(pl.Float64).alias("at")
    return rows.select("batch_size", at, "optimiser", *(pl.col(name) / unit for name in _LAW))


def _law_layers(
    law: pl.DataFrame, x: alt.X, title: str, span: tuple[float, float], palette: Palette
) -> list[alt.Chart]:
    """Line, band and name of a predicted limit; nothing where there is none."""
    if law.is_empty():
        return []
    base = alt.Chart(law).encode(x=x, color=colour_scale(palette))
    band = base.mark_area(opacity=0.14).encode(y=log_y("predicted_low", title, span), y2=alt.Y2("predicted_high:Q"))
    seen = tips(batch_size="b", predicted="SGD's limit by the law", predicted_low="from", predicted_high="to")
    line = base.mark_line(strokeDash=[6, 4], strokeWidth=1.4).encode(y=log_y("predicted", title, span), tooltip=seen)
    top = law.head(1).with_columns(predicted_high=law["predicted_high"].max())  # above the band wherever it rises to
    first = alt.Chart(top).encode(x=x, color=colour_scale(palette))
    name = first.mark_text(align="left", baseline="bottom", dy=-6, fontSize=11).encode(
        y=log_y("predicted_high", title, span), text=alt.TextValue("SGD's limit of stability, by the law")
    )
    return [band, line, name]


def _batch_axis(frame: pl.DataFrame, column: str, domain: tuple[float, float]) -> alt.X:
    """Ticks at the batch sizes there are."""
    values = frame["batch_size"].unique().sort().to_list()
    axis = alt.Axis(values=values, format=",", labelOverlap="greedy", labelSeparation=2, grid=False)
    return log_x(column, "batch size b", domain, 1.9).axis(axis)


def _dodged(frame: pl.DataFrame, palette: Palette) -> pl.DataFrame:
    """`at`: side by side, a hair apart in log b, so that intervals of several momenta do not cover one another."""
    ranks = {name: i - (len(palette) - 1) / 2 for i, name in enumerate(palette)}
    shift = pl.col("optimiser").replace_strict(ranks, default=0.0, return_dtype=pl.Float64)
    return frame.with_columns((pl.col("batch_size") * (1.0 + 0.07 * shift)).alias("at"))


def thresholds_by_horizon(horizons: pl.DataFrame, span: tuple[float, float], palette: Palette) -> Layered:
    """Threshold against the step at which training is cut, at one batch size, with intervals.

    horizons: tables.THRESHOLDS' columns with `horizon` (share of training) and `horizon_step`.
    """
    frame = named(horizons.filter(pl.col("status") == "estimated"))
    steps = data_domain(frame["horizon_step"].to_list(), 1.3) or (1.0, 10.0)
    x = log_x("horizon_step", "training cut at step", steps, 1.7)
    title = "threshold, η/(1−μ)"
    seen = tips(optimiser="optimiser", horizon_step="cut at", eta_ef_star="threshold", ci_low="from", ci_high="to")
    columns = ["optimiser", "batch_size", "horizon_step", "eta_ef_star", "ci_low", "ci_high"]
    base = alt.Chart(frame.select(columns)).encode(x=x, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=1.8).encode(y=log_y("ci_low", title, span), y2=alt.Y2("ci_high:Q"))
    dots = base.mark_line(point=alt.OverlayMarkDef(size=36, filled=True), strokeWidth=1).encode(
        y=log_y("eta_ef_star", title, span), tooltip=seen
    )
    ends = end_labels(frame, "horizon_step", "eta_ef_star", span, HEIGHT)
    return layered(HEIGHT, bars, dots, label_layer(ends, x, log_y("label_y", title, span), palette))


def limits_by_batch(limits: pl.DataFrame, palette: Palette) -> Layered:
    """Largest stable eta_ef against batch size: measured with interval, predicted as a line with its band.

    limits: `eta_ef_max`, `ci_low`, `ci_high`, `predicted`, `predicted_low`, `predicted_high`, a row per batch size and
    optimiser.
    """
    frame = _dodged(named(limits), palette)
    measured = frame.filter(pl.col("eta_ef_max").is_not_null())
    predicted = frame.filter(pl.col("predicted").is_not_null())
    numbers = ["eta_ef_max", "ci_low", "ci_high", "predicted", "predicted_low", "predicted_high"]
    span = data_domain([v for name in numbers for v in frame[name]], 1.2) or (0.1, 1.0)
    batches = data_domain(frame["batch_size"].to_list(), 1.3) or (1.0, 10.0)
    x, title = _batch_axis(frame, "at", batches), "largest stable η/(1−μ)"
    colour = colour_scale(palette)
    law = alt.Chart(predicted.select("optimiser", "batch_size", "at", *numbers[3:])).encode(x=x, color=colour)
    band = law.mark_area(opacity=0.14).encode(y=log_y("predicted_low", title, span), y2=alt.Y2("predicted_high:Q"))
    line = law.mark_line(strokeDash=[6, 4], strokeWidth=1.4).encode(y=log_y("predicted", title, span))
    base = alt.Chart(measured.select("optimiser", "batch_size", "at", "n_seeds", *numbers[:4])).encode(
        x=x, color=colour
    )
    bars = base.mark_rule(strokeWidth=2).encode(y=log_y("ci_low", title, span), y2=alt.Y2("ci_high:Q"))
    seen = tips(optimiser="optimiser", batch_size="b", eta_ef_max="measured", ci_low="from", ci_high="to")
    dots = base.mark_point(filled=True, size=50).encode(
        y=log_y("eta_ef_max", title, span), tooltip=[*seen, *tips(predicted="predicted", n_seeds="seeds")]
    )
    words = label_layer(end_labels(frame, "at", "eta_ef_max", span, _TALL), x, log_y("label_y", title, span), palette)
    return layered(_TALL, band, line, bars, dots, words)


def forest(rows: pl.DataFrame, margin: float, palette: Palette) -> Layered:
    """Log loss ratio of the best SGD to the best SGDM: a row per batch size and momentum, with the margin.

    rows: `log_ratio`, `ci_low`, `ci_high`, `batch_size`, `optimizer`, `momentum`, `n_seeds`, `at_edge`.
    """
    texts = [f"b = {b:,}" for b in rows["batch_size"]]
    frame = named(rows).with_columns(pl.Series("row", texts, dtype=pl.String))
    order = frame.sort("batch_size")["row"].unique(maintain_order=True).to_list()
    title = "log L(best SGD) / L(best SGDM); above 0 SGDM is better"
    scale = alt.Scale(nice=True)
    y = alt.Y("row:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    offset = alt.YOffset("optimiser:N", sort=list(palette))
    x = alt.X("log_ratio:Q", title=title, scale=scale, axis=alt.Axis(grid=False, tickCount=6))
    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(x=alt.X("low:Q", title=title), x2=alt.X2("high:Q"))
    )
    columns = ["row", "optimiser", "batch_size", "log_ratio", "ci_low", "ci_high", "n_seeds", "at_edge"]
    base = alt.Chart(frame.select(columns)).encode(y=y, yOffset=offset, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("ci_low:Q", title=title, scale=scale), x2=alt.X2("ci_high:Q"))
    seen = tips(optimiser="optimiser", batch_size="b", log_ratio="log ratio", ci_low="from", ci_high="to", n_seeds="n")
    # Open: the best rate lies at the end of the grid, so a better one may lie beyond.
    inside = base.transform_filter("!datum.at_edge").mark_point(size=60, filled=True, opacity=1)
    at_edge = base.transform_filter("datum.at_edge").mark_point(size=60, strokeWidth=1.8, filled=False)
    dots = [points.encode(x=x, tooltip=seen) for points in (inside, at_edge)]
    return layered(34 * len(order) + 20, zone, bars, *dots)
