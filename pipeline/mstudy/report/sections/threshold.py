"""The threshold over the batch size, and over the length of training."""

from __future__ import annotations

from typing import Any, assert_never

import altair as alt
import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.core.statuses import GridStatus, Replication
from mstudy.report.charts.kit import (
    batch_axis,
    dashed_bars,
    dodged,
    end_labels,
    haloed,
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
    log_y,
)
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.words import count, few, interval, number
from mstudy.tables.contracts import STABILITY_LIMITS, THRESHOLDS

_CHART_HEIGHT = HEIGHT + 30  # pixels


_UNITS = {
    False: ("eta_ef_star", "ci_low", "ci_high", "threshold, η/(1−μ)"),
    True: (
        "eta_ef_per_sample_star",
        "eta_ef_per_sample_low",
        "eta_ef_per_sample_high",
        "threshold per sample, η/((1−μ)·b)",
    ),
}


_LAW = ("predicted", "predicted_low", "predicted_high")


def threshold_plate(data: ReportData) -> Plate:
    """Put two figures for each setting, one for each unit, side by side."""
    figures = []
    for index, lines in data.by_setting(data.results[THRESHOLDS]):
        known = lines.filter(pl.col("status") == GridStatus.ESTIMATED)
        limits = data.results[STABILITY_LIMITS].join(data.settings[index], on=data.settings.columns)
        limits = limits.filter(pl.col("optimizer") == SGD)
        for per_sample in (False, True):
            chart = thresholds_by_batch(lines, limits, per_sample, data.palette) if len(known) else None
            title = data.title(index, "per sample, η/((1−μ)·b)" if per_sample else "effective rate, η/(1−μ)")
            figures.append(Figure(title, threshold_caption(lines, limits, per_sample), lines, chart, index))
    note = (
        "The smallest effective learning rate from which SGDM beats SGD by more than the margin, with 95 % intervals, "
        "in both units: the choice of unit decides whether it falls with the batch size."
    )
    if data.results[STABILITY_LIMITS].filter(optimizer=SGD)["predicted"].count():
        note += (
            " Dashed: the largest rate at which plain SGD is stable, as the mean-square stability law predicts it from "
            "the runs that diverge."
        )
    if _is_unreplicated_anywhere(data.results[THRESHOLDS]):
        note += " Open points with dashed intervals rest on too few seeds: the intervals are over learning rates."
    return Plate("threshold", "Threshold against batch size", note, figures, wide=True)


def threshold_sentence(row: dict[str, Any]) -> str:
    """Say when momentum begins to help at one batch size and momentum (a row of tables.THRESHOLDS)."""
    where = f"At b = {row['batch_size']:,}, {label(row['momentum'], row['optimizer'])}"
    n = f"{count(row['n_seeds'], 'seed')}, {count(row['n_cells'], 'learning rate')}"
    status = GridStatus(row["status"])
    match status:
        case GridStatus.ESTIMATED:
            span = interval(row["ci_low"], row["ci_high"])
            over = "; the interval is over learning rates, not over seeds" if _is_unreplicated(row) else ""
            return f"{where} helps above a threshold of η_ef = {number(row['eta_ef_star'])} {span} ({n}{over})."
        case GridStatus.BELOW_GRID:
            return f"{where} helps already at the lowest learning rate tried ({n})."
        case GridStatus.ABOVE_GRID:
            return f"{where} helps at no learning rate tried ({n})."
        case GridStatus.INSUFFICIENT:
            return f"{where}: too few seeds or learning rates for a threshold ({n}){_bracket(row)}."
        case _:
            assert_never(status)


def _is_unreplicated(row: dict[str, Any]) -> bool:
    return bool(row["evidence"] == Replication.UNREPLICATED)


def _bracket(row: dict[str, Any]) -> str:
    """Return between which rates SGDM begins to be better, where that is known."""
    low, high = row["bracket_low"], row["bracket_high"]
    if high is None:
        return ""
    where = f"between η_ef = {number(low)} and {number(high)}" if low is not None else f"by η_ef = {number(high)}"
    return f"; SGDM begins to be better {where}"


def threshold_caption(thresholds: pl.DataFrame, limits: pl.DataFrame, per_sample: bool) -> str:
    """Say how the threshold moves over the batch sizes, per momentum, and how far below the law's limit of SGD it
    lies.
    """
    column, unit = ("eta_ef_per_sample_star", "η_ef / b") if per_sample else ("eta_ef_star", "η_ef")
    parts = []
    for rows in thresholds.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == GridStatus.ESTIMATED).sort("batch_size")
        if len(known) < 2:
            parts.append(f"{name}: a threshold at {len(known)} of {len(rows)} batch sizes")
            continue
        first, last = known.row(0, named=True), known.row(-1, named=True)
        parts.append(
            f"{name}: {number(first[column])} at b = {first['batch_size']:,}, "
            f"{number(last[column])} at b = {last['batch_size']:,}"
        )
    sentence = f"Threshold in {unit}{_intervals(thresholds, per_sample)}. " + (few(parts) or "None to show") + "."
    return sentence + _below_the_limit(thresholds, limits)


def _intervals(thresholds: pl.DataFrame, per_sample: bool) -> str:
    """Say in which range all intervals lie, and of how many seeds they are."""
    known = thresholds.filter(pl.col("status") == GridStatus.ESTIMATED)
    if known.is_empty():
        return ""
    _, low, high, _ = _UNITS[per_sample]
    level = "over learning rates" if _is_unreplicated_anywhere(known) else "95 %"
    n = count(int(known["n_seeds"].max() or 0), "seed")  # type: ignore[arg-type]  # of a column of whole numbers
    outer = interval(known[low].min(), known[high].max())  # type: ignore[arg-type]  # of numbers
    return f", intervals ({level}) within {outer}, {n}"


def _is_unreplicated_anywhere(thresholds: pl.DataFrame) -> bool:
    return bool((thresholds["evidence"] == Replication.UNREPLICATED).any())


def _below_the_limit(thresholds: pl.DataFrame, limits: pl.DataFrame) -> str:
    """Say at which share of SGD's predicted limit the threshold lies, over batch sizes and momenta."""
    known = thresholds.filter(pl.col("status") == GridStatus.ESTIMATED).join(
        limits.filter(pl.col("predicted").is_not_null()).select("batch_size", "predicted"), on="batch_size"
    )
    if known.is_empty():
        return ""
    shares = (known["eta_ef_star"] / known["predicted"]).sort()
    low, high = number(shares[0]), number(shares[-1])
    share = low if low == high else f"{low} to {high}"
    return f" It lies at {share} of the rate up to which the law of stability has SGD stable."


def thresholds_by_batch(thresholds: pl.DataFrame, limits: pl.DataFrame, per_sample: bool, palette: Palette) -> Layered:
    """Draw threshold against batch size with its interval, in eta_ef or in eta_ef / b (tables.THRESHOLDS).

    limits: tables.STABILITY_LIMITS of plain SGD; what the law predicts of them stands dashed above, with its band.
    """
    star, low, high, title = _UNITS[per_sample]
    frame = dodged(named(thresholds.filter(pl.col("status") == GridStatus.ESTIMATED)), palette)
    law = _law_of(limits, per_sample)
    span = data_domain([v for part, names in ((frame, (star, low, high)), (law, _LAW)) for n in names for v in part[n]])
    span = span or (0.1, 1.0)
    batches = data_domain([*frame["batch_size"], *law["batch_size"]], 1.3) or (1.0, 10.0)
    x = batch_axis(frame.select("batch_size").vstack(law.select("batch_size")), "at", batches)
    tooltips = tips(label="optimizer", batch_size="b", **{star: "threshold", low: "from", high: "to"}, n_seeds="seeds")
    columns = ["label", "batch_size", "at", star, low, high, "n_seeds"]
    base = alt.Chart(frame.select(*columns, seedless())).encode(x=x, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(
        y=log_y(low, title, span), y2=alt.Y2(f"{high}:Q"), strokeDash=dashed_bars()
    )
    line = base.mark_line(strokeWidth=1).encode(y=log_y(star, title, span))
    dots = open_points(base, palette, 50, y=log_y(star, title, span), tooltip=tooltips)
    words = label_layer(end_labels(frame, "at", star, span, _CHART_HEIGHT), x, log_y("label_y", title, span), palette)
    return layered(_CHART_HEIGHT, *_law_layers(law, x, title, span, palette), line, bars, dots, *words)


def _law_of(limits: pl.DataFrame, per_sample: bool) -> pl.DataFrame:
    """Return `batch_size`, `at`, `label` and the law's prediction of SGD's limit, in the unit of the chart."""
    rows = named(limits.filter(pl.col("predicted").is_not_null())).sort("batch_size")
    unit = pl.col("batch_size") if per_sample else pl.lit(1)
    at = pl.col("batch_size").cast(pl.Float64).alias("at")
    return rows.select("batch_size", at, "label", *(pl.col(name) / unit for name in _LAW))


def _law_layers(
    law: pl.DataFrame, x: alt.X, title: str, span: tuple[float, float], palette: Palette
) -> list[alt.Chart]:
    """Draw line, band and name of a predicted limit; nothing where there is none."""
    if law.is_empty():
        return []
    base = alt.Chart(law).encode(x=x, color=colour_scale(palette))
    band = base.mark_area(opacity=0.14).encode(y=log_y("predicted_low", title, span), y2=alt.Y2("predicted_high:Q"))
    tooltips = tips(batch_size="b", predicted="SGD's limit by the law", predicted_low="from", predicted_high="to")
    line = base.mark_line(strokeDash=[6, 4], strokeWidth=1.4).encode(
        y=log_y("predicted", title, span), tooltip=tooltips
    )
    top = law.head(1).with_columns(predicted_high=law["predicted_high"].max())  # above the band wherever it rises to
    first = alt.Chart(top).encode(x=x, color=colour_scale(palette))
    name = first.mark_text(align="left", baseline="bottom", dy=-6, fontSize=11).encode(
        y=log_y("predicted_high", title, span), text=alt.TextValue("SGD's limit of stability, by the law")
    )
    return [band, line, *haloed(name)]
