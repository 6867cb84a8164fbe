"""Finished frames to charts. Titles carry units; colour is the optimiser; an interval or a range is never left out."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.report.theme import HEIGHT, colour_scale, label, log_x, log_y

Palette = dict[str, str]


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with `optimiser`, the label of its optimizer and momentum."""
    names = [label(mu, optimizer) for mu, optimizer in frame.select("momentum", "optimizer").iter_rows()]
    return frame.with_columns(pl.Series("optimiser", names, dtype=pl.String))


def _rate() -> alt.X:
    return log_x("eta_ef", "effective learning rate η/(1−μ)")


def _layered(height: int, *layers: alt.Chart) -> alt.LayerChart:
    chart = alt.LayerChart(layer=list(layers))
    chart.width, chart.height = "container", height
    return chart


def loss_by_rate(losses: pl.DataFrame, palette: Palette) -> alt.LayerChart:
    """Final loss against eta_ef at one batch size: mean line, band of the seeds' range, diverged runs at the top.

    losses: of inference.losses.summarise_losses.
    """
    frame = _named(losses)
    fallen = _stack_at_ceiling(frame.filter(pl.col("n_diverged") > 0), frame["loss_high"].max(), palette)
    colour = colour_scale(palette)
    y = log_y("loss", "final training loss")
    drawn = frame.filter(pl.col("loss").is_not_null())
    base = alt.Chart(drawn).encode(x=_rate(), color=colour)
    band = base.mark_area(opacity=0.18).encode(y=log_y("loss_low", "final training loss"), y2="loss_high:Q")
    tooltip = ["optimiser:N", "eta_ef:Q", "loss:Q", "loss_low:Q", "loss_high:Q", "n_finished:Q", "n_diverged:Q"]
    line = base.mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=1.8).encode(y=y, tooltip=tooltip)
    crosses = (
        alt.Chart(fallen)
        .mark_point(shape="cross", angle=45, size=60, filled=True)
        .encode(
            x=_rate(),
            y=log_y("ceiling", "final training loss"),
            color=colour,
            tooltip=["optimiser:N", "eta_ef:Q", "n_diverged:Q"],
        )
    )
    counts = crosses.mark_text(dx=10, fontSize=10).encode(text="n_diverged:Q")
    return _layered(HEIGHT, band, line, crosses, counts)


def _stack_at_ceiling(fallen: pl.DataFrame, top: object, palette: Palette) -> pl.DataFrame:
    """`ceiling`: above the largest loss, a row an optimiser, so that SGD's crosses do not hide those of SGDM."""
    highest = float(top) if isinstance(top, float) else 1.0
    rows = {name: highest * 1.25 ** (len(palette) - i) for i, name in enumerate(palette)}
    ceiling = pl.col("optimiser").replace_strict(rows, default=highest, return_dtype=pl.Float64)
    return fallen.with_columns(ceiling.alias("ceiling"))


def advantage_by_rate(advantage: pl.DataFrame, margin: float, palette: Palette) -> alt.LayerChart:
    """Log ratio of final losses against eta_ef at one batch size, with intervals and the margin of equivalence.

    advantage: tables.ADVANTAGE. Cells in which SGD or SGDM diverged stand at the upper or lower edge as triangles.
    """
    frame = _named(advantage.filter(pl.col("log_ratio").is_not_null()))
    whole = frame.filter(pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0)
    high = max([margin * 2, *whole["ci_high"].drop_nulls()]) * 1.15
    low = min([-margin * 2, *whole["ci_low"].drop_nulls()]) * 1.15
    scale = alt.Scale(domain=[low, high], nice=False)
    title = "log L(SGD) / L(SGDM)"
    y = alt.Y("log_ratio:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, grid=False))
    tooltip = ["optimiser:N", "eta_ef:Q", "log_ratio:Q", "ci_low:Q", "ci_high:Q", "n_seeds:Q"]
    base = alt.Chart(whole).encode(x=_rate(), color=colour_scale(palette))
    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.12, color="#808080")
        .encode(y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q")
    )
    bars = base.mark_rule(strokeWidth=1.6).encode(y=alt.Y("ci_low:Q", title=title, scale=scale), y2="ci_high:Q")
    dots = base.mark_line(point=alt.OverlayMarkDef(size=34), strokeWidth=1).encode(y=y, tooltip=tooltip)
    fallen = frame.filter(pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") > 0).with_columns(
        pl.when(pl.col("log_ratio") > 0).then(high).otherwise(low).alias("edge"),
        pl.when(pl.col("log_ratio") > 0).then(pl.lit("SGD")).otherwise(pl.lit("SGDM")).alias("diverged"),
    )
    triangles = (
        alt.Chart(fallen)
        .mark_point(filled=True, size=55)
        .encode(
            x=_rate(),
            y=alt.Y("edge:Q", title=title, scale=scale),
            color=colour_scale(palette),
            shape=alt.Shape(
                "diverged:N",
                scale=alt.Scale(domain=["SGD", "SGDM"], range=["triangle-up", "triangle-down"]),
                legend=None,
            ),
            tooltip=["optimiser:N", "eta_ef:Q", "diverged:N", "n_diverged_sgd:Q", "n_diverged_sgdm:Q"],
        )
    )
    return _layered(HEIGHT, zone, bars, dots, triangles)


def thresholds_by_batch(thresholds: pl.DataFrame, per_sample: bool, palette: Palette) -> alt.LayerChart:
    """Threshold against batch size with its interval, in eta_ef or in eta_ef / b (tables.THRESHOLDS)."""
    star, low, high, title = (
        (
            "eta_ef_per_sample_star",
            "eta_ef_per_sample_low",
            "eta_ef_per_sample_high",
            "threshold per sample, η/((1−μ)·b)",
        )
        if per_sample
        else ("eta_ef_star", "ci_low", "ci_high", "threshold, η/(1−μ)")
    )
    frame = _named(thresholds.filter(pl.col("status") == "estimated"))
    # Side by side, a hair apart in log b, so that intervals of several momenta do not cover one another.
    ranks = {name: i - (len(palette) - 1) / 2 for i, name in enumerate(palette)}
    shift = pl.col("optimiser").replace_strict(ranks, default=0.0, return_dtype=pl.Float64)
    frame = frame.with_columns((pl.col("batch_size") * (1.0 + 0.06 * shift)).alias("at"))
    tooltip = ["optimiser:N", "batch_size:Q", f"{star}:Q", f"{low}:Q", f"{high}:Q", "n_cells:Q", "n_seeds:Q"]
    base = alt.Chart(frame).encode(x=log_x("at", "batch size b"), color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(y=log_y(low, title), y2=f"{high}:Q")
    dots = base.mark_line(point=alt.OverlayMarkDef(size=50), strokeWidth=1).encode(
        y=log_y(star, title), tooltip=tooltip
    )
    return _layered(HEIGHT + 40, bars, dots)


def curve_over_time(
    points: pl.DataFrame, column: str, title: str, events: pl.DataFrame, lines: pl.DataFrame, palette: Palette
) -> alt.LayerChart:
    """One quantity of a pair over the steps, log-log, with events as bands and stability lines.

    All frames name their run by `momentum` and `optimizer`. points: `step_drawn` (step + 1), `column`. events: `low`,
    `high`, `at` (steps + 1), `event`. lines: `level`, `name`.
    """
    x = log_x("step_drawn", "step (updates made + 1)")
    y = log_y(column, title)
    colour = colour_scale(palette)
    curves = (
        alt.Chart(_named(points))
        .mark_line(strokeWidth=1.6)
        .encode(x=x, y=y, color=colour, tooltip=["optimiser:N", "step:Q", f"{column}:Q"])
    )
    named = _named(events)
    bands = alt.Chart(named).mark_rect(opacity=0.16).encode(x=alt.X("low:Q"), x2="high:Q", color=colour)
    rules = (
        alt.Chart(named)
        .mark_rule(strokeWidth=1.5)
        .encode(x=alt.X("at:Q"), color=colour, tooltip=["event:N", "step:Q", "step_low:Q", "step_high:Q"])
    )
    # One row of text an event, lest two that coincide hide each other.
    words = [
        alt.Chart(named.filter(pl.col("event") == event))
        .mark_text(align="right", baseline="top", dx=-5, fontSize=11)
        .encode(x=alt.X("at:Q"), y=alt.value(4 + 14 * row), text="event:N", color=colour)
        for row, event in enumerate(named["event"].unique(maintain_order=True))
    ]
    levels = (
        alt.Chart(_named(lines))
        .mark_rule(strokeDash=[6, 4], strokeWidth=1.2)
        .encode(y=log_y("level", title), color=colour, tooltip=["name:N", "level:Q"])
    )
    marks = (
        alt.Chart(_named(lines))
        .mark_text(align="left", baseline="bottom", dx=4, dy=-2, fontSize=11)
        .encode(y=log_y("level", title), x=alt.value(0), text="name:N", color=colour)
    )
    return _layered(HEIGHT + 20, bands, curves, rules, *words, levels, marks)


def parting_against_sharpening(pairs: pl.DataFrame, palette: Palette) -> alt.LayerChart:
    """Step of parting against step of SGD's sharpening, one point a pair, and the line of coincidence.

    pairs: of inference.alignment.aligned_pairs.
    """
    frame = _named(pairs)
    ends = [float(x) for x in (*frame["sharpening_step"], *frame["step"])]
    low, high = min(ends) / 1.3, max(ends) * 1.3
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = log_x("sharpening_step", "step of SGD's abrupt sharpening").scale(scale)
    y = log_y("step", "step of parting").scale(scale)
    identity = (
        alt.Chart(pl.DataFrame({"sharpening_step": [low, high], "step": [low, high]}))
        .mark_line(color="#808080", strokeDash=[5, 4], strokeWidth=1)
        .encode(x=x, y=y)
    )
    bars = (
        alt.Chart(frame)
        .mark_rule(opacity=0.5, clip=True)
        .encode(x=x, y=alt.Y("step_low:Q", scale=scale), y2="step_high:Q", color=colour_scale(palette))
    )
    tooltip = ["optimiser:N", "batch_size:Q", "eta_ef:Q", "seed:Q", "sharpening_step:Q", "step:Q"]
    dots = alt.Chart(frame).mark_circle(size=60).encode(x=x, y=y, color=colour_scale(palette), tooltip=tooltip)
    return _layered(HEIGHT + 100, identity, bars, dots)
