"""When momentum helps, in one picture: the advantage over the effective learning rate, a line for each batch size.

The thresholds stand below, a row for each batch size, on the same axis.
"""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.optimizers import HEAVY_BALL
from mstudy.core.statuses import GridStatus, Replication
from mstudy.report.charts.kit import (
    LABEL_ROOM,
    RATE_TITLE,
    Domain,
    dashed_bars,
    haloed,
    named,
    note_layer,
    open_points,
    seedless,
    spread,
    tips,
    with_evidence,
)
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, Palette, colour_scale, data_domain, label, log_x
from mstudy.report.sections.advantage import ratio_span
from mstudy.report.sections.base import Figure, ReportData
from mstudy.report.words import count, interval, spanned
from mstudy.tables.contracts import ADVANTAGE, THRESHOLDS
from mstudy.tables.table import LINE

_HEIGHT = 430  # pixels: about that of the panels of "Why" beside it
_ROW = 15  # pixels that the threshold of a batch size takes
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def when_figures(data: ReportData) -> list[Figure]:
    """Return one figure for each setting and momentum with an advantage to draw."""
    cells = with_evidence(data.results[ADVANTAGE], data.results[THRESHOLDS])
    usable = cells.filter(pl.col("log_ratio").is_not_null())
    return [
        _figure(data, index, _of_one_optimizer(rows))
        for index, setting in data.by_setting(usable)
        for rows in setting.sort("momentum").partition_by("momentum", maintain_order=True)
    ]


def _of_one_optimizer(cells: pl.DataFrame) -> pl.DataFrame:
    """Return heavy ball's cells of those at one momentum, or those of the only other."""
    names = cells["optimizer"].unique().sort().to_list()
    return cells.filter(pl.col("optimizer") == (HEAVY_BALL if HEAVY_BALL in names else names[0]))


def _figure(data: ReportData, index: int, cells: pl.DataFrame) -> Figure:
    momentum, optimizer = cells["momentum"][0], cells["optimizer"][0]
    lines = data.results[THRESHOLDS].join(cells.select(LINE).unique(), on=LINE, maintain_order="left")
    thresholds = lines.sort("batch_size")
    chart = advantage_and_thresholds(cells, thresholds, data.palette, data.words)
    title = f"When: the advantage of {label(momentum, optimizer)}{data.in_setting(index)}"
    return Figure(
        title, when_caption(thresholds, cells), cells.drop("evidence"), chart, setting=index, momentum=momentum
    )


def when_caption(thresholds: pl.DataFrame, cells: pl.DataFrame) -> str:
    """Say at which rates momentum begins to help, at how many batch sizes, by how many seeds."""
    known = thresholds.filter(pl.col("status") == GridStatus.ESTIMATED)
    n = count(int(cells["n_seeds"].max() or 0), "seed")  # type: ignore[arg-type]  # of a column of whole numbers
    where = f"{len(known)} of {count(len(thresholds), 'batch size')}"
    if known.is_empty():
        return f"Advantage over the effective learning rate ({n} a point); a threshold can be estimated at {where}."
    outer = interval(known["ci_low"].min(), known["ci_high"].max())  # type: ignore[arg-type]  # of numbers
    over = "over learning rates, not over seeds" if _seedless(known) else f"95 %, {n} a point"
    return (
        f"Momentum begins to help at η_ef = {spanned(known['eta_ef_star'].to_list())}: the threshold, known at {where} "
        f"(intervals within {outer}, {over}). Inside the grey band SGD and SGDM count as equal."
    )


def _seedless(thresholds: pl.DataFrame) -> bool:
    return bool((thresholds["evidence"] == Replication.UNREPLICATED).any())


def advantage_and_thresholds(
    cells: pl.DataFrame, thresholds: pl.DataFrame, palette: Palette, words: ScaleWords = WORDS[Scale.LOG]
) -> Layered:
    """Draw the advantage of one optimizer, a line for each batch size, above the thresholds, a row for each.

    cells: tables.ADVANTAGE with `evidence`. thresholds: tables.THRESHOLDS of the same lines. What rests on no seeds is
    an open point, its interval dashed.
    """
    margin = max(thresholds["margin"].to_list(), default=0.0)
    span = ratio_span(cells, margin)
    known = thresholds.filter(pl.col("status") == GridStatus.ESTIMATED).sort("batch_size")
    strip_height = _ROW * (len(known) + 1) if len(known) else 0
    per_pixel = (span[1] - span[0]) / (_HEIGHT - strip_height)
    domain = span[0] - per_pixel * strip_height, span[1]
    row_of = {b: span[0] - per_pixel * _ROW * (k + 0.8) for k, b in enumerate(known["batch_size"])}
    batches = cells["batch_size"].unique().sort().to_list()
    rates = data_domain([*cells["eta_ef"], *thresholds["ci_low"], *thresholds["ci_high"]]) or (0.1, 1.0)
    x = _rate_axis("eta_ef", rates)
    frame = _drawn(cells, span, batches)
    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(y=_ratio_axis("low", domain, span, words), y2=alt.Y2("high:Q"))
    )
    names = _batch_names(frame, domain, rates, palette, span, words)
    remark = [note_layer("▲ SGD diverged", 2)] if (frame["drawn_at"] == span[1]).any() else []
    strip = _strip(known, row_of, rates, domain, span, palette, words) if len(known) else []
    return layered(_HEIGHT, zone, *_curves(frame, x, domain, span, palette, words), *names, *strip, *remark)


def _drawn(cells: pl.DataFrame, span: Domain, batches: list[int]) -> pl.DataFrame:
    """Return the cells as they are drawn: a hair apart, cut at the edges, at the edge where a run diverged."""
    shift = pl.col("batch_size").replace_strict({b: k - (len(batches) - 1) / 2 for k, b in enumerate(batches)})
    diverged = pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") > 0
    edge = pl.when(pl.col("log_ratio") > 0).then(span[1]).otherwise(span[0])
    return named(cells).select(
        "label",
        *["batch_size", "eta_ef", "log_ratio", "n_seeds"],
        _batch_name(),
        (pl.col("eta_ef") * (1 + 0.025 * shift)).alias("at"),
        diverged.alias("diverged"),
        pl.when(diverged).then(edge).otherwise(pl.col("log_ratio").clip(*span)).alias("drawn_at"),
        *(pl.when(~diverged).then(pl.col(end).clip(*span)).alias(end) for end in ("ci_low", "ci_high")),
        seedless(),
    )


def _batch_name() -> pl.Expr:
    return pl.col("batch_size").map_elements(lambda b: f"b = {b:,}", return_dtype=pl.String).alias("name")


def _rate_axis(column: str, rates: Domain) -> alt.X:
    return log_x(column, RATE_TITLE, rates, LABEL_ROOM)


def _ratio_axis(column: str, domain: Domain, span: Domain, words: ScaleWords) -> alt.Y:
    """Return the axis of the advantage; it has no ticks beside the rows of thresholds."""
    shown = f"datum.value < {span[0]:.6g} ? '' : format(datum.value, '~g')"
    axis = alt.Axis(tickCount=7, grid=False, labelExpr=shown, ticks=False, domain=False)
    return alt.Y(
        f"{column}:Q",
        title=words.axis.format(sgd="SGD", sgdm="SGDM"),
        scale=alt.Scale(domain=list(domain), nice=False),
        axis=axis,
    )


def _curves(
    frame: pl.DataFrame, x: alt.X, domain: Domain, span: Domain, palette: Palette, words: ScaleWords
) -> list[alt.Chart]:
    batches = frame["name"].unique(maintain_order=True).to_list()
    base = alt.Chart(frame).encode(x=_rate_axis_of(x, "at"), color=colour_scale(palette))
    y, opacity = _ratio_axis("drawn_at", domain, span, words), _fading(frame)
    whole = base.transform_filter("!datum.diverged")
    lines, bars = whole.mark_line(strokeWidth=1.4), whole.mark_rule(strokeWidth=1.8)
    shape = alt.Shape("name:N", scale=alt.Scale(domain=batches, range=_shapes(len(batches))), legend=None)
    tooltips = tips(label="optimizer", batch_size="b", eta_ef="η_ef", log_ratio=words.short, n_seeds="seeds")
    edges = base.transform_filter("datum.diverged").mark_point(size=46, filled=True)
    direction = alt.Shape(value="triangle-down", condition={"test": "datum.log_ratio > 0", "value": "triangle-up"})
    return [
        bars.encode(y=_ratio_axis("ci_low", domain, span, words), y2=alt.Y2("ci_high:Q"), opacity=opacity),
        lines.encode(y=y, detail=alt.Detail("name:N"), opacity=opacity),
        open_points(whole, palette, 46, y=y, shape=shape, opacity=opacity, tooltip=tooltips),
        edges.encode(y=y, shape=direction, opacity=opacity, tooltip=tooltips),
    ]


def _rate_axis_of(x: alt.X, column: str) -> alt.X:
    copied: alt.X = x.copy()
    copied.shorthand = f"{column}:Q"
    return copied


def _fading(frame: pl.DataFrame) -> alt.Opacity:
    """Return the opacity by batch size: the largest is the strongest."""
    batches = frame["batch_size"].unique().sort().to_list()
    faded = [1.0 if len(batches) == 1 else 0.4 + 0.6 * k / (len(batches) - 1) for k in range(len(batches))]
    return alt.Opacity("batch_size:O", scale=alt.Scale(domain=batches, range=faded), legend=None)


def _shapes(n: int) -> list[str]:
    return [_SHAPES[k % len(_SHAPES)] for k in range(n)]


def _batch_names(
    frame: pl.DataFrame, domain: Domain, rates: Domain, palette: Palette, span: Domain, words: ScaleWords
) -> list[alt.Chart]:
    """Name each line at its last point inside the picture."""
    inside = frame.filter(~pl.col("diverged"))
    last = inside.sort("at").group_by("name", maintain_order=True).last().sort("drawn_at")
    per_pixel = (domain[1] - domain[0]) / _HEIGHT
    places = spread(last["drawn_at"].to_list(), 12 * per_pixel, span[0], span[1] - 6 * per_pixel)
    end = last["at"].max()
    placed = last.with_columns(
        pl.Series("label_y", places, dtype=pl.Float64), pl.lit(end, dtype=pl.Float64).alias("at")
    )
    chart: alt.Chart = (
        alt.Chart(placed.select("label", "batch_size", "name", "label_y", "at"))
        .mark_text(align="left", dx=10, fontSize=11, fontWeight=600)
        .encode(
            x=_rate_axis("at", rates),
            y=_ratio_axis("label_y", domain, span, words),
            text=alt.Text("name:N"),
            color=colour_scale(palette),
        )
    )
    return haloed(chart)


def _strip(
    known: pl.DataFrame,
    row_of: dict[int, float],
    rates: Domain,
    domain: Domain,
    span: Domain,
    palette: Palette,
    words: ScaleWords,
) -> list[alt.Chart]:
    """Draw the thresholds below the curves, each with its interval and the name of its batch size."""
    frame = named(known).select(
        *["label", "batch_size", "eta_ef_star", "ci_low", "ci_high", "n_seeds"],
        _batch_name(),
        pl.col("batch_size").replace_strict(row_of, return_dtype=pl.Float64).alias("row"),
        seedless(),
    )
    y = _ratio_axis("row", domain, span, words)
    base = alt.Chart(frame).encode(y=y, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=_rate_axis("ci_low", rates), x2=alt.X2("ci_high:Q"), strokeDash=dashed_bars()
    )
    tooltips = tips(batch_size="b", eta_ef_star="threshold", ci_low="from", ci_high="to", n_seeds="seeds")
    x, diamond = _rate_axis("eta_ef_star", rates), alt.ShapeValue("diamond")
    dots = open_points(base, palette, 46, x=x, shape=diamond, tooltip=tooltips)
    names = base.mark_text(align="left", dx=8, fontSize=10.5).encode(
        x=_rate_axis("ci_high", rates), text=alt.Text("name:N")
    )
    top = max(row_of.values())
    head = alt.Chart(pl.DataFrame({"row": [top], "note": ["thresholds"]}))
    title = head.mark_text(align="left", fontSize=10.5, color=GREY, dx=4).encode(
        x=alt.XValue(0), y=y, text=alt.Text("note:N")
    )
    return [title, bars, dots, *haloed(names)]
