"""Sentences computed from tables: what a figure shows, with its interval and n. They change when the data do."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.report.theme import label


def number(value: float | None, digits: int = 3) -> str:
    """A number for readers; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, or that it is not estimable."""
    return "[not estimable]" if low is None or high is None else f"[{low:.3g}, {high:.3g}]"


def study_sentence(runs: pl.DataFrame) -> str:
    """The whole study in one sentence."""
    diverged = int((runs["status"] == "diverged").sum())
    batches = ", ".join(str(b) for b in runs["batch_size"].unique().sort())
    rates = runs["eta_ef"].to_list()
    momenta = ", ".join(f"{m:g}" for m in runs["momentum"].unique().sort())
    models = " and ".join(f"{m} on {d}" for m, d in runs.select("model", "dataset").unique().sort("model").rows())
    return (
        f"{len(runs)} runs of {models}: batch sizes {batches}; effective learning rates {min(rates):g} to "
        f"{max(rates):g}; momenta {momenta}; {runs['seed'].n_unique()} seeds; {diverged} runs diverged and are kept "
        f"as data."
    )


def threshold_sentence(row: dict[str, Any]) -> str:
    """When momentum begins to help at one batch size and momentum (a row of tables.THRESHOLDS)."""
    where = f"At b = {row['batch_size']}, {label(row['momentum'], row['optimizer'])}"
    n = f"{row['n_seeds']} seeds, {row['n_cells']} learning rates"
    match row["status"]:
        case "estimated":
            span = interval(row["ci_low"], row["ci_high"])
            return f"{where} helps from η_ef = {number(row['eta_ef_star'])} {span} ({n})."
        case "below_grid":
            return f"{where} helps already at the lowest learning rate tried ({n})."
        case "above_grid":
            return f"{where} helps at no learning rate tried ({n})."
    return f"{where}: too few seeds or learning rates for a threshold ({n})."


def loss_caption(losses: pl.DataFrame, batch_size: int) -> str:
    """Who reaches the lowest loss at this batch size, and where SGD stops finishing."""
    finished = losses.filter(pl.col("loss").is_not_null())
    if finished.is_empty():
        return f"b = {batch_size}: no run finished."
    best = finished.sort("loss").row(0, named=True)
    n = max((losses["n_finished"] + losses["n_diverged"]).to_list())
    winner = label(best["momentum"], best["optimizer"])
    text = (
        f"b = {batch_size}: the lowest loss, {number(best['loss'])}, is reached by {winner} at "
        f"η_ef = {number(best['eta_ef'])} ({n} seeds a point)."
    )
    fallen = losses.filter((pl.col("momentum") == 0) & (pl.col("n_diverged") > 0))
    if not fallen.is_empty():
        text += f" SGD diverges from η_ef = {number(min(fallen['eta_ef'].to_list()))}."
    return text


def advantage_caption(advantage: pl.DataFrame, thresholds: pl.DataFrame, batch_size: int) -> str:
    """The thresholds of one batch size, in words."""
    rows = thresholds.filter(pl.col("batch_size") == batch_size).sort("momentum")
    if rows.is_empty():
        return f"b = {batch_size}: no pair of SGD and SGDM to compare ({len(advantage)} cells)."
    return " ".join(threshold_sentence(row) for row in rows.iter_rows(named=True))


def threshold_caption(thresholds: pl.DataFrame, per_sample: bool) -> str:
    """How the threshold moves over the batch sizes, per momentum."""
    column, unit = ("eta_ef_per_sample_star", "η_ef / b") if per_sample else ("eta_ef_star", "η_ef")
    parts = []
    for rows in thresholds.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == "estimated").sort("batch_size")
        if len(known) < 2:
            parts.append(f"{name}: a threshold at {len(known)} of {len(rows)} batch sizes")
            continue
        first, last = known.row(0, named=True), known.row(-1, named=True)
        parts.append(
            f"{name}: {number(first[column])} at b = {first['batch_size']}, "
            f"{number(last[column])} at b = {last['batch_size']}"
        )
    return f"Threshold in {unit} with 95 % intervals. " + ("; ".join(parts) or "None to show") + "."


def pair_caption(pair: dict[str, Any], sharpenings: dict[str, dict[str, Any]], n_drawn: int, n_logged: int) -> str:
    """What happened to one pair. pair: a row of tables.PARTINGS; sharpenings: rows by `sgd` and `sgdm`."""
    parts = []
    for name, row in (
        (label(0.0), sharpenings["sgd"]),
        (label(pair["momentum"], pair["optimizer"]), sharpenings["sgdm"]),
    ):
        if row["status"] == "detected":
            span = interval(row["step_low"], row["step_high"])
            parts.append(
                f"{name} sharpens abruptly at step {number(row['step'])} {span}, by a factor {number(row['jump'])}"
            )
        else:
            parts.append(f"{name} shows {_ABSENCE[row['status']]}")
    if pair["status"] == "parted":
        span = interval(pair["step_low"], pair["step_high"])
        parts.append(f"the losses part at step {number(pair['step'])} {span}, {pair['ahead'].upper()} ahead")
    elif pair["status"].endswith("diverged"):
        parts.append(f"a run diverges at step {number(pair['step'])}")
    else:
        parts.append("the losses do not part")
    where = f"b = {pair['batch_size']}, η_ef = {number(pair['eta_ef'])}, seed {pair['seed']}"
    return f"{where}: {'; '.join(parts)}. {n_drawn} of {n_logged} logged points are drawn."


_ABSENCE = {
    "none": "no abrupt sharpening",
    "too_short": "too few points to tell",
    "no_curvature": "no curvature in its log",
}


def lag_caption(alignment: pl.DataFrame) -> str:
    """How far apart the two moments are."""
    if alignment.is_empty() or alignment["n_pairs"][0] == 0:
        return "In no pair were both events seen, so there is no lag to show."
    row = alignment.row(0, named=True)
    return (
        f"Both events were seen in {row['n_pairs']} pairs of {row['n_cells']} blocks of one batch size and learning "
        f"rate. The parting comes {row['lag_steps_median']:+.3g} steps after the sharpening at the median; interval "
        f"over blocks {interval(row['lag_steps_low'], row['lag_steps_high'])} steps."
    )


def deferral_caption(deferral: pl.DataFrame) -> str:
    """How many runs sharpen abruptly, with and without momentum."""
    rows = deferral.filter(pl.col("stratum") == "all").sort("momentum")
    if rows.is_empty():
        return "There is no pair whose curvature was logged."
    parts = [
        f"{label(r['momentum'])}: {r['events_sgdm']} of {r['n_sgdm']} runs sharpen abruptly, against "
        f"{r['events_sgd']} of {r['n_sgd']} of SGD (paired swap test, p = {number(r['p_value'])})"
        for r in rows.iter_rows(named=True)
    ]
    return "; ".join(parts) + "."
