"""When does momentum help? Advantage and final loss over eta_ef, the threshold over b and over the horizon."""

from __future__ import annotations

import polars as pl

from mstudy.compare.final_losses import summarise_losses
from mstudy.report import captions, captions_beyond
from mstudy.report.charts.batches import thresholds_by_batch, thresholds_by_horizon
from mstudy.report.charts.rates import advantage_by_rate, loss_by_rate
from mstudy.report.charts.theme import data_domain
from mstudy.report.sections.base import Figure, Plate, Section, Study

_FLOOR = -0.6  # log ratio: what a single cell below does not stretch every panel for


def when_section(study: Study) -> Section:
    """The section; its plates are empty where no pair was found."""
    plates = [_advantage(study), _thresholds(study), _horizons(study), _losses(study)]
    answer = captions.when_answer(study.results.thresholds)
    return Section("when", "When does momentum help?", answer, [plate for plate in plates if plate.figures])


def _advantage(study: Study) -> Plate:
    cells = study.results.advantage
    rates = data_domain(cells["eta_ef"].to_list()) or (0.1, 1.0)
    figures = []
    for index, setting in study.by_setting(cells):
        margin = max(study.results.thresholds["margin"].to_list(), default=0.0)
        span = _ratio_span(setting, margin)
        for _, batch_size, part in study.batches(setting):
            lines = study.results.thresholds.join(study.settings[index], on=[*study.settings.columns])
            usable = part.filter(pl.col("log_ratio").is_not_null())
            chart = advantage_by_rate(part, margin, rates, span, study.palette) if len(usable) else None
            caption = captions.advantage_caption(part, lines, batch_size)
            title = study.title(index, f"b = {batch_size:,}")
            figures.append(Figure(title, caption, part, chart, index, batch_size))
    note = (
        "Log ratio of the final losses of SGD and SGDM at equal effective learning rate: above zero SGDM is better, "
        "inside the grey band the two count as equal. Points are means over seeds with 95 % bootstrap intervals; a "
        "triangle at the edge is a learning rate at which SGD (pointing up) or SGDM (down) diverged in a seed."
    )
    return Plate("advantage", "Advantage of momentum", note, figures)


def _ratio_span(cells: pl.DataFrame, margin: float) -> tuple[float, float]:
    """Of all panels, from the cells in which nothing diverged; wild intervals are cut at the edge."""
    whole = cells.filter(pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0)
    means = [v for v in whole["log_ratio"] if v is not None]
    highs = [v for v in whole["ci_high"] if v is not None]
    lows = [v for v in whole["ci_low"] if v is not None]
    top = max([margin * 2, *means]) * 1.1
    low = max(min([-margin * 2, *lows]), min([_FLOOR, *means]))
    return low * 1.15, max(min(max([margin * 2, *highs]), top * 1.3), top) * 1.08


def _thresholds(study: Study) -> Plate:
    figures = []
    for index, lines in study.by_setting(study.results.thresholds):
        known = lines.filter(pl.col("status") == "estimated")
        limits = study.results.stability_limits.join(study.settings[index], on=study.settings.columns)
        limits = limits.filter(pl.col("momentum") == 0)
        for per_sample in (False, True):
            chart = thresholds_by_batch(lines, limits, per_sample, study.palette) if len(known) else None
            title = study.title(index, "per sample, η/((1−μ)·b)" if per_sample else "effective rate, η/(1−μ)")
            figures.append(Figure(title, captions.threshold_caption(lines, limits, per_sample), lines, chart, index))
    note = (
        "The smallest effective learning rate from which SGDM beats SGD by more than the margin, with 95 % intervals, "
        "in both units: the choice of unit decides whether it falls with the batch size."
    )
    if study.results.stability_limits.filter(momentum=0)["predicted"].count():
        note += (
            " Dashed: the largest rate at which plain SGD is stable, as the mean-square stability law predicts it from "
            "the runs that diverge."
        )
    return Plate("threshold", "Threshold against batch size", note, figures, wide=True)


def _horizons(study: Study) -> Plate:
    figures = []
    horizons = study.results.horizons
    if horizons is not None:
        known = horizons.filter(pl.col("status") == "estimated")
        span = data_domain([v for name in ("ci_low", "ci_high", "eta_ef_star") for v in known[name]])
        for index, batch_size, part in study.batches(horizons):
            estimated = part.filter(pl.col("status") == "estimated")
            chart = thresholds_by_horizon(part, span, study.palette) if span and len(estimated) else None
            title = study.title(index, f"b = {batch_size:,}")
            figures.append(Figure(title, captions_beyond.horizon_caption(part), part, chart, index, batch_size))
    note = "The same threshold had training been cut earlier: a threshold is a statement about a horizon, too."
    return Plate("horizon", "Threshold against the length of training", note, figures)


def _losses(study: Study) -> Plate:
    losses = summarise_losses(study.results.runs)
    rates = data_domain(losses["eta_ef"].to_list()) or (0.1, 1.0)
    figures = []
    for index, setting in study.by_setting(losses):
        span = data_domain([*setting["loss_low"], *setting["loss_high"]])
        for _, batch_size, part in study.batches(setting):
            drawable = span is not None and len(part.filter(pl.col("loss").is_not_null()))
            chart = loss_by_rate(part, rates, span, study.palette) if span and drawable else None
            title = study.title(index, f"b = {batch_size:,}")
            figures.append(Figure(title, captions.loss_caption(part, batch_size), part, chart, index, batch_size))
    note = (
        "Final training loss: lines are geometric means over the seeds that finished, bands the seeds' whole range. "
        "Crosses on top count the seeds that diverged."
    )
    return Plate("loss", "What each optimiser reaches", note, figures)
