"""Picks what the page shows: each section is figures (chart, caption, numbers), built from finished results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl

from mstudy.inference.alignment import aligned_pairs
from mstudy.inference.losses import summarise_losses
from mstudy.params import Report
from mstudy.report import captions, charts
from mstudy.report.downsample import keep_spikes
from mstudy.report.theme import label
from mstudy.results import Results

Palette = dict[str, str]


@dataclass(frozen=True)
class Figure:
    """A chart (None where there is nothing to draw), its finding, and the numbers to open. group: pair it shows."""

    title: str
    caption: str
    numbers: pl.DataFrame
    chart: alt.LayerChart | None = None
    group: str = ""


@dataclass(frozen=True)
class Section:
    """A question and its figures. choices: groups that one control switches between."""

    anchor: str
    title: str
    intro: str
    figures: list[Figure]
    choices: list[str] = field(default_factory=list)


def build_sections(results: Results, points: pl.DataFrame, report: Report, palette: Palette) -> list[Section]:
    """The sections in reading order."""
    return [
        _losses(results, palette),
        _advantage(results, palette),
        _thresholds(results, palette),
        _pairs(results, points, report, palette),
        _lags(results, palette),
        _deferral(results),
    ]


def _losses(results: Results, palette: Palette) -> Section:
    losses = summarise_losses(results.runs)
    figures = []
    for (setting, batch_size), part in _by_batch(losses):
        drawable = part.filter(pl.col("loss").is_not_null())
        chart = charts.loss_by_rate(part, palette) if len(drawable) else None
        figures.append(Figure(f"{setting}b = {batch_size}", captions.loss_caption(part, batch_size), part, chart))
    return Section(
        "losses",
        "What each optimiser reaches",
        "Final training loss against the effective learning rate. Lines are geometric means over seeds, bands the "
        "seeds' whole range; a cross above the curves marks a learning rate at which at least one seed diverged.",
        figures,
    )


def _advantage(results: Results, palette: Palette) -> Section:
    figures = []
    for (setting, batch_size), part in _by_batch(results.advantage):
        lines = results.thresholds.join(part.select(*_SETTING).unique(), on=_SETTING)
        margin = max(lines["margin"].to_list(), default=0.0)
        usable = part.filter(pl.col("log_ratio").is_not_null())
        chart = charts.advantage_by_rate(part, margin, palette) if len(usable) else None
        caption = captions.advantage_caption(part, lines, batch_size)
        figures.append(Figure(f"{setting}b = {batch_size}", caption, part, chart))
    return Section(
        "advantage",
        "When momentum helps",
        "Mean log ratio of the final losses of SGD and SGDM at equal effective learning rate, with 95 % bootstrap "
        "intervals over seeds. Above zero SGDM is better; inside the grey band the two count as equal. An upward "
        "triangle at the edge: SGD diverged in at least one seed; a downward one: SGDM did.",
        figures,
    )


def _thresholds(results: Results, palette: Palette) -> Section:
    figures = []
    settings = results.thresholds.sort(_SETTING).partition_by(_SETTING, maintain_order=True)
    for lines in settings:
        setting = _setting_name(lines) if len(settings) > 1 else ""
        known = lines.filter(pl.col("status") == "estimated")
        for per_sample in (False, True):
            chart = charts.thresholds_by_batch(lines, per_sample, palette) if len(known) else None
            title = setting + ("per sample, η_ef / b" if per_sample else "η_ef = η/(1−μ)")
            figures.append(Figure(title, captions.threshold_caption(lines, per_sample), lines, chart))
    return Section(
        "threshold",
        "The threshold against the batch size",
        "The smallest effective learning rate from which SGDM beats SGD by more than the margin, in both units: the "
        "choice of unit decides whether it falls with the batch size.",
        figures,
    )


def _pairs(results: Results, points: pl.DataFrame, report: Report, palette: Palette) -> Section:
    figures, choices = [], []
    for pair in _shown_pairs(results).iter_rows(named=True):
        group = f"b = {pair['batch_size']}, η_ef = {pair['eta_ef']:g}, {label(pair['momentum'], pair['optimizer'])}"
        choices.append(group)
        figures += _pair_figures(pair, group, results, points, report, palette)
    intro = (
        "One pair over training: seed by seed the same weights and the same batches. Bands are the 95 % intervals of "
        "abrupt sharpening (in the colour of the run) and of the parting (in that of SGDM); dashed levels are the "
        "stability lines 2/η of SGD and 2(1+μ)/η of SGDM. Shown are, for each batch size and momentum, the smallest "
        "learning rate at which SGD sharpens abruptly, or else the one nearest above the threshold; lowest seed."
    )
    return Section("why", "Why: loss and curvature of a pair", intro, figures, choices)


def drawn_runs(results: Results, report: Report) -> list[str]:
    """The run_ids whose logs the page draws: `build_sections` needs the points of no other."""
    shown = _shown_pairs(results)
    return sorted({*shown["sgd_run_id"], *shown["sgdm_run_id"]})


def _shown_pairs(results: Results) -> pl.DataFrame:
    """One pair for each batch size and momentum, by the rule that the section states."""
    events = results.sharpenings.select(
        pl.col("run_id").alias("sgd_run_id"), (pl.col("status") == "detected").alias("sharpens")
    )
    lines = [*_SETTING, "batch_size", "optimizer", "momentum"]
    stars = results.thresholds.select(*lines, "eta_ef_star")
    pairs = results.partings.join(events, on="sgd_run_id").join(stars, on=lines, how="left")
    near = (pl.col("eta_ef") / pl.col("eta_ef_star").fill_null(0.1)).log()
    # Below the threshold counts as further away: nothing parts there.
    distance = pl.when(near < 0).then(10 - near).otherwise(near)
    ranked = pairs.with_columns(distance.alias("distance")).sort(
        ~pl.col("sharpens"), pl.when(pl.col("sharpens")).then("eta_ef").otherwise("distance"), "seed"
    )
    shown = ranked.group_by(lines, maintain_order=True).first()
    return shown.sort(~pl.col("sharpens"), -pl.col("batch_size"), -pl.col("momentum"))


def _pair_figures(
    pair: dict[str, Any], group: str, results: Results, points: pl.DataFrame, report: Report, palette: Palette
) -> list[Figure]:
    runs = {side: pair[f"{side}_run_id"] for side in ("sgd", "sgdm")}
    momenta = {"sgd": 0.0, "sgdm": pair["momentum"]}
    found = {
        side: results.sharpenings.row(by_predicate=pl.col("run_id") == run_id, named=True)
        for side, run_id in runs.items()
    }
    events = _events(pair, found)
    figures = []
    for column, title in (("loss", "training loss"), ("directional_curvature", "curvature along the update, κ")):
        logs = [
            (points.filter((pl.col("run_id") == runs[side]) & (pl.col(column) > 0)), momenta[side]) for side in runs
        ]
        drawn = pl.concat(
            keep_spikes(log, column, report.points_per_curve).with_columns(
                (pl.col("step") + 1).alias("step_drawn"), pl.lit(momentum).alias("momentum")
            )
            for log, momentum in logs
        ).select("step", "step_drawn", column, "momentum", pl.lit(pair["optimizer"]).alias("optimizer"))
        n_logged = sum(len(log) for log, _ in logs)
        caption = captions.pair_caption(pair, found, len(drawn), n_logged)
        lines = _stability_lines(pair) if column == "directional_curvature" else _stability_lines(pair).clear()
        chart = charts.curve_over_time(drawn, column, title, events, lines, palette) if len(drawn) else None
        figures.append(Figure(title, caption, events, chart, group))
    return figures


def _events(pair: dict[str, Any], found: dict[str, dict[str, Any]]) -> pl.DataFrame:
    rows = [
        {"event": "sharpening", "momentum": momentum, **{k: found[side][k] for k in ("step", "step_low", "step_high")}}
        for side, momentum in (("sgd", 0.0), ("sgdm", pair["momentum"]))
        if found[side]["status"] == "detected"
    ]
    if pair["step"] is not None:
        name = "divergence" if pair["status"].endswith("diverged") else "parting"
        rows.append(
            {"event": name, "momentum": pair["momentum"], **{k: pair[k] for k in ("step", "step_low", "step_high")}}
        )
    schema = {"event": pl.String, "momentum": pl.Float64} | dict.fromkeys(("step", "step_low", "step_high"), pl.Float64)
    frame = pl.DataFrame(rows, schema=schema)
    drawn = {"at": "step", "low": "step_low", "high": "step_high"}
    shifted = frame.with_columns((pl.col(source) + 1).alias(name) for name, source in drawn.items())
    return shifted.with_columns(pl.lit(pair["optimizer"]).alias("optimizer"))


def _stability_lines(pair: dict[str, Any]) -> pl.DataFrame:
    """2/η for SGD; 2(1+μ)/η for heavy ball, over 1+2μ for Nesterov (Cohen et al. 2021). η = η_ef (1−μ)."""
    mu, eta_ef = pair["momentum"], pair["eta_ef"]
    nesterov = 1 + 2 * mu if pair["optimizer"] == "nesterov" else 1.0
    name = "2(1+μ)/(1+2μ)η" if nesterov > 1 else "2(1+μ)/η"
    return pl.DataFrame(
        {
            "momentum": [0.0, mu],
            "optimizer": ["sgd", pair["optimizer"]],
            "level": [2 / eta_ef, 2 * (1 + mu) / (nesterov * eta_ef * (1 - mu))],
            "name": ["2/η of SGD", f"{name} of SGDM"],
        }
    )


def _lags(results: Results, palette: Palette) -> Section:
    pairs = aligned_pairs(results.partings, results.sharpenings)
    chart = charts.parting_against_sharpening(pairs, palette) if len(pairs) else None
    figures = [
        Figure("One point a pair", captions.lag_caption(results.alignment), pairs, chart),
        Figure(
            "The tests",
            "Both times follow the learning rate, so that any two such times correlate over all pairs; tests that do "
            "not decide are shown so that this can be seen. A dash: the test cannot be made on these data.",
            results.alignment.select("statistic", "decides", "estimate", "p_value", "n_pairs", "n_cells", "null"),
        ),
    ]
    intro = "Parting of SGD and SGDM against abrupt sharpening of SGD; the dashed line is the same moment."
    return Section("alignment", "Do the two moments coincide?", intro, figures)


def _deferral(results: Results) -> Section:
    columns = ["stratum", "momentum", "n_sgd", "events_sgd", "events_sgdm", "diverged_sgd", "diverged_sgdm"]
    by_batch = results.deferral.sort("momentum", pl.col("stratum").str.len_chars(), "stratum")
    table = by_batch.select(*columns, "hazard_ratio", "ci_low", "ci_high", "p_value")
    intro = (
        "How many runs sharpen abruptly with and without momentum. Runs that diverged or ended first are censored; "
        "a hazard ratio below one means later under momentum, a dash that it is not estimable."
    )
    figure = Figure("Events", captions.deferral_caption(results.deferral), table)
    return Section("deferral", "Does momentum prevent or defer it?", intro, [figure])


_SETTING = ["study", "model", "dataset", "objective"]


def _by_batch(frame: pl.DataFrame) -> list[tuple[tuple[str, int], pl.DataFrame]]:
    """Parts of one setting and batch size; the setting is named only where there are several."""
    several = frame.select(_SETTING).n_unique() > 1
    parts = []
    for part in frame.sort(*_SETTING, "batch_size").partition_by([*_SETTING, "batch_size"], maintain_order=True):
        row = part.row(0, named=True)
        parts.append(((_setting_name(part) if several else "", row["batch_size"]), part))
    return parts


def _setting_name(frame: pl.DataFrame) -> str:
    """The setting of a frame's first row, for titles."""
    return ", ".join(part for part in frame.select(_SETTING).row(0) if part) + ": "
