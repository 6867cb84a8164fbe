"""Advantage of momentum over the effective learning rate, a panel for each batch size."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.statuses import GridStatus
from mstudy.report.charts.kit import (
    LABEL_ROOM,
    PICKED,
    RATE_TITLE,
    Domain,
    end_labels,
    label_layer,
    named,
    note_layer,
    open_points,
    picked_rate,
    seedless,
    tips,
    with_evidence,
)
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    GREY,
    HEIGHT,
    Palette,
    colour_scale,
    data_domain,
    log_x,
)
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.sections.threshold import threshold_sentence
from mstudy.report.words import count, interval, spanned
from mstudy.tables.contracts import ADVANTAGE, THRESHOLDS

_MIN_PANEL_RATIO = -0.6  # log ratio: what a single cell below does not stretch every panel for


def advantage_plate(data: ReportData) -> Plate:
    """Put one figure for each setting and batch size side by side."""
    cells = with_evidence(data.results[ADVANTAGE], data.results[THRESHOLDS])
    rates = data_domain(cells["eta_ef"].to_list()) or (0.1, 1.0)
    figures = []
    for index, setting in data.by_setting(cells):
        margin = max(data.results[THRESHOLDS]["margin"].to_list(), default=0.0)
        span = ratio_span(setting, margin)
        for _, batch_size, part in data.batches(setting):
            lines = data.results[THRESHOLDS].join(data.settings[index], on=[*data.settings.columns])
            usable = part.filter(pl.col("log_ratio").is_not_null())
            chart = advantage_by_rate(part, margin, rates, span, data.palette, data.words) if len(usable) else None
            caption = advantage_caption(part, lines, batch_size)
            title = data.title(index, f"b = {batch_size:,}")
            figures.append(Figure(title, caption, part.drop("evidence"), chart, index, batch_size))
    note = (
        f"{data.words.of_final} of SGD and SGDM at equal effective learning rate: above zero SGDM is better, "
        "inside the grey band the two count as equal. Points are means over seeds with 95 % bootstrap intervals; a "
        "triangle at the edge is a learning rate at which SGD (pointing up) or SGDM (down) diverged in a seed."
    )
    if not cells.filter(seedless()).is_empty():
        note += " Open points rest on too few seeds for a verdict."
    return Plate("advantage", "Advantage of momentum", note + PICKED, figures)


def ratio_span(cells: pl.DataFrame, margin: float) -> tuple[float, float]:
    """Return the span of all panels, from the cells in which nothing diverged; wild intervals are cut there."""
    whole = cells.filter(pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0)
    means = [v for v in whole["log_ratio"] if v is not None]
    highs = [v for v in whole["ci_high"] if v is not None]
    lows = [v for v in whole["ci_low"] if v is not None]
    top = max([margin * 2, *means]) * 1.1
    low = max(min([-margin * 2, *lows]), min([_MIN_PANEL_RATIO, *means]))
    return low * 1.15, max(min(max([margin * 2, *highs]), top * 1.3), top) * 1.08


def advantage_caption(advantage: pl.DataFrame, thresholds: pl.DataFrame, batch_size: int) -> str:
    """Say where the thresholds of one batch size lie."""
    rows = thresholds.filter(pl.col("batch_size") == batch_size).sort("momentum")
    if rows.is_empty():
        return f"b = {batch_size:,}: no pair of SGD and SGDM to compare ({len(advantage)} cells)."
    return " ".join(map(threshold_sentence, rows.iter_rows(named=True))) if len(rows) <= 3 else _of_many(rows)


def _of_many(rows: pl.DataFrame) -> str:
    """Say of more momenta than one reads one by one where SGDM begins to help."""
    known = rows.filter(pl.col("status") == GridStatus.ESTIMATED)
    where = f"At b = {rows['batch_size'][0]:,}, {len(known)} of {count(len(rows), 'optimizer')} with momentum"
    if known.is_empty():
        return f"{where} have a threshold that can be estimated."
    outer = interval(known["ci_low"].min(), known["ci_high"].max())  # type: ignore[arg-type]  # of numbers
    stars, n = spanned(known["eta_ef_star"].to_list()), count(int(rows["n_seeds"].max() or 0), "seed")  # type: ignore[arg-type]
    return f"{where} help from η_ef = {stars} (intervals within {outer}; {n})."


def advantage_by_rate(
    advantage: pl.DataFrame,
    margin: float,
    rates: Domain,
    span: Domain,
    palette: Palette,
    words: ScaleWords = WORDS[Scale.LOG],
) -> Layered:
    """Log ratio of final losses, or their difference, against eta_ef at one batch size, with intervals and the margin
    of equivalence.

    advantage: tables.ADVANTAGE, with `evidence` where that is known. Cells in which SGD or SGDM diverged stand at the
    upper or lower edge as triangles.
    rates, span: the axes' domains, shared by all panels.
    """
    low, high = span
    any_diverged = pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") > 0
    columns = ["label", "batch_size", "eta_ef", "log_ratio", "ci_low", "ci_high", "n_seeds"]
    frame = named(advantage.filter(pl.col("log_ratio").is_not_null()))
    # Side by side, a hair apart: what is true of one momentum is often true of the next.
    ranks = {name: k - (len(palette) - 1) / 2 for k, name in enumerate(palette)}
    shift = pl.col("label").replace_strict(ranks, default=0.0, return_dtype=pl.Float64)
    frame = frame.with_columns((pl.col("eta_ef") * (1 + 0.08 * shift)).alias("at"))
    open_where = seedless() if "evidence" in frame.columns else pl.lit(False).alias("seedless")
    # What does not fit is cut at the edge, where a triangle would say so too.
    whole = frame.filter(~any_diverged).select("at", *columns, open_where)
    whole = whole.with_columns(pl.col("ci_low", "ci_high", "log_ratio").clip(low, high))
    scale = alt.Scale(domain=[low, high], nice=False)
    x = log_x("at", RATE_TITLE, rates, LABEL_ROOM)
    colour = colour_scale(palette)

    def y(column: str) -> alt.Y:
        return alt.Y(
            f"{column}:Q",
            title=words.axis.format(sgd="SGD", sgdm="SGDM"),
            scale=scale,
            axis=alt.Axis(tickCount=5, grid=False),
        )

    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(y=y("low"), y2=alt.Y2("high:Q"))
    )
    base = alt.Chart(whole).encode(x=x, color=colour)
    tooltips = tips(label="optimizer", eta_ef="η_ef", log_ratio=words.short, ci_low="from", ci_high="to", n_seeds="n")
    bars = base.mark_rule(strokeWidth=1.8).encode(y=y("ci_low"), y2=alt.Y2("ci_high:Q"))
    line = base.mark_line(strokeWidth=1).encode(y=y("log_ratio"))
    dots = open_points(base, palette, 30, y=y("log_ratio"), tooltip=tooltips)
    edges = frame.filter(any_diverged).select(
        "label",
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
    diverged_tooltips = tips(
        label="optimizer", eta_ef="η_ef", n_diverged_sgd="SGD diverged", n_diverged_sgdm="SGDM diverged"
    )
    triangles = alt.Chart(edges).mark_point(filled=True, size=55, opacity=0.95)
    triangles = triangles.encode(x=x, y=y("edge"), color=colour, shape=shape, tooltip=diverged_tooltips)
    ends = end_labels(whole, "at", "log_ratio", span, HEIGHT, log=False)
    rule, picked = picked_rate(advantage["eta_ef"].unique().to_list(), log_x("eta_ef", RATE_TITLE, rates, LABEL_ROOM))
    remark = [note_layer("▲ SGD diverged", 2)] if len(edges.filter(pl.col("diverged") == "SGD")) else []
    labels = label_layer(ends, x, y("label_y"), palette)
    return layered(HEIGHT, rule, zone, line, bars, dots, triangles, *labels, *remark, parameters=[picked])
