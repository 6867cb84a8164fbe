"""Sentences computed from tables: what a figure shows, with its interval and n. They change when the data do."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.pairs.pairing import main_runs
from mstudy.report.charts.theme import label
from mstudy.report.results import Results
from mstudy.report.words import count, interval, listed, number, spanned


def study_sentence(runs: pl.DataFrame) -> str:
    """The whole study in one sentence."""
    diverged, n_branches = int((runs["status"] == "diverged").sum()), runs["branch_of"].count()
    branches = f"; {count(n_branches, 'branch')} among them" if n_branches else ""
    batches = ", ".join(f"{b:,}" for b in runs["batch_size"].unique().sort())
    rates = runs["eta_ef"].to_list()
    momenta = ", ".join(f"{m:g}" for m in runs["momentum"].unique().sort())
    models = listed(
        [" on ".join(p for p in pair if p) for pair in runs.select("model", "dataset").unique().sort("model").rows()]
    )
    fate = (
        "none diverged" if not diverged else f"{diverged} diverged and {'is' if diverged == 1 else 'are'} kept as data"
    )
    return (
        f"{count(len(runs), 'run')}{f' of {models}' if models.strip() else ''}: batch sizes {batches}; effective "
        f"learning rates {spanned(rates)}; momenta {momenta}; {count(runs['seed'].n_unique(), 'seed')}; {fate}"
        f"{branches}."
    )


def when_answer(thresholds: pl.DataFrame) -> str:
    """The thresholds of each momentum over all batch sizes, in a sentence."""
    if thresholds.is_empty():
        return "There is nothing to compare: no pair of SGD and SGDM at equal effective learning rate was found."
    parts = []
    for rows in thresholds.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == "estimated")
        where = "batch size" if known["batch_size"].n_unique() == rows["batch_size"].n_unique() else "of"
        if known.is_empty():
            parts.append(f"for {name} no threshold can be estimated")
            continue
        outer = interval(known["ci_low"].min(), known["ci_high"].max())  # type: ignore[arg-type]  # of numbers
        at = "at every batch size" if where == "batch size" else f"at {len(known)} of {len(rows)} batch sizes"
        parts.append(f"{name} helps from η_ef = {spanned(known['eta_ef_star'].to_list())} {at} (intervals {outer})")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def threshold_sentence(row: dict[str, Any]) -> str:
    """When momentum begins to help at one batch size and momentum (a row of tables.THRESHOLDS)."""
    where = f"At b = {row['batch_size']:,}, {label(row['momentum'], row['optimizer'])}"
    n = f"{count(row['n_seeds'], 'seed')}, {count(row['n_cells'], 'learning rate')}"
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
        return f"b = {batch_size:,}: no run finished."
    best = finished.sort("loss").row(0, named=True)
    n = max((losses["n_finished"] + losses["n_diverged"]).to_list())
    winner = label(best["momentum"], best["optimizer"])
    text = (
        f"b = {batch_size:,}: the lowest loss, {number(best['loss'])}, is reached by {winner} at "
        f"η_ef = {number(best['eta_ef'])} ({count(n, 'seed')} a point)."
    )
    fallen = losses.filter((pl.col("momentum") == 0) & (pl.col("n_diverged") > 0))
    if not fallen.is_empty():
        text += f" SGD diverges from η_ef = {number(min(fallen['eta_ef'].to_list()))}."
    return text


def advantage_caption(advantage: pl.DataFrame, thresholds: pl.DataFrame, batch_size: int) -> str:
    """The thresholds of one batch size, in words."""
    rows = thresholds.filter(pl.col("batch_size") == batch_size).sort("momentum")
    if rows.is_empty():
        return f"b = {batch_size:,}: no pair of SGD and SGDM to compare ({len(advantage)} cells)."
    return " ".join(threshold_sentence(row) for row in rows.iter_rows(named=True))


def threshold_caption(thresholds: pl.DataFrame, limits: pl.DataFrame, per_sample: bool) -> str:
    """How the threshold moves over the batch sizes, per momentum, and how far below the law's limit of SGD it lies."""
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
            f"{name}: {number(first[column])} at b = {first['batch_size']:,}, "
            f"{number(last[column])} at b = {last['batch_size']:,}"
        )
    told = f"Threshold in {unit} with 95 % intervals. " + ("; ".join(parts) or "None to show") + "."
    return told + _below_the_limit(thresholds, limits)


def _below_the_limit(thresholds: pl.DataFrame, limits: pl.DataFrame) -> str:
    """The range, over batch sizes and momenta, of the threshold as a share of SGD's predicted limit."""
    known = thresholds.filter(pl.col("status") == "estimated").join(
        limits.filter(pl.col("predicted").is_not_null()).select("batch_size", "predicted"), on="batch_size"
    )
    if known.is_empty():
        return ""
    shares = (known["eta_ef_star"] / known["predicted"]).sort()
    low, high = number(shares[0]), number(shares[-1])
    share = low if low == high else f"{low} to {high}"
    return f" It lies at {share} of the rate up to which the law of stability has SGD stable."


def why_answer(results: Results) -> str:
    """How many runs sharpen abruptly, by the jump and by the stability line."""
    found = results.sharpenings.join(main_runs(results.runs).select("run_id"), on="run_id")
    seen = found.filter(pl.col("status").is_in(["detected", "none"]))
    if seen.is_empty():
        return "No run has a log of curvature that is long enough to tell of sharpening."
    jumped = int((seen["status"] == "detected").sum())
    agree = int(seen["stability_agrees"].sum() or 0)
    both = int(seen["stability_agrees"].is_not_null().sum())
    reached = int((found["stability_status"] == "reached").sum())
    text = (
        f"{jumped} of {count(len(seen), 'run')} long enough to tell sharpen abruptly; {reached} settle at their "
        f"stability line"
    )
    return text + (f"; of the {both} that do both, {agree} do so at the same moment." if both else "; none does both.")


def definitions_caption(found: pl.DataFrame) -> str:
    """found: a row a run with both statuses and `stability_agrees`."""
    jumped = found.filter(pl.col("status") == "detected")
    if jumped.is_empty():
        return "No run has a jump, so there is nothing on which the two definitions could disagree."
    agree = int(jumped["stability_agrees"].sum() or 0)
    apart = int((~jumped["stability_agrees"]).sum() or 0)
    alone = int((jumped["stability_status"] != "reached").sum())
    return (
        f"Of {count(len(jumped), 'run')} with a jump, {agree} settle at their stability line at the same moment, "
        f"{apart} at another, and {alone} never do."
    )


def points_caption(pairs: pl.DataFrame, within: tuple[float, float]) -> str:
    """Of the scatter: how many pairs part at the step of sharpening, within: bounds of parting / sharpening."""
    ratio = pairs["log_lag"].exp()
    near, later = int(ratio.is_between(*within).sum()), int((ratio > within[1]).sum())
    return (
        f"{near} of {count(len(pairs), 'pair')} part within {within[1] - 1:.0%} of the step at which SGD sharpens; "
        f"{later} later, {len(pairs) - near - later} sooner."
    )


def null_caption(lags: pl.DataFrame, within: tuple[float, float]) -> str:
    """Of the lags and their null: the share that counts as one moment, own and exchanged."""
    shares = {}
    for kind in ("own", "exchanged"):
        ratio = lags.filter(pl.col("kind") == kind)["ratio"]
        shares[kind] = (int(ratio.is_between(*within).sum()), len(ratio))
    (own, n), (other, m) = shares["own"], shares["exchanged"]
    if m == 0:
        return f"{own} of {count(n, 'pair')} within the tolerance; no block has two seeds to exchange."
    return f"{own} of {count(n, 'pair')} lie within the grey tolerance, and {other} of {m} with seeds exchanged."


def lag_caption(alignment: pl.DataFrame) -> str:
    """How far apart the two moments are."""
    if alignment.is_empty() or alignment["n_pairs"][0] == 0:
        return "In no pair were both events seen, so there is no lag to show."
    row = alignment.row(0, named=True)
    steps = row["lag_steps_median"]
    return (
        f"Both events were seen in {count(row['n_pairs'], 'pair')} of {count(row['n_cells'], 'block')} of one batch "
        f"size and learning rate. At the median the parting comes {abs(steps):.3g} steps "
        f"{'before' if steps < 0 else 'after'} the sharpening; interval over blocks "
        f"{interval(row['lag_steps_low'], row['lag_steps_high'])} steps."
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


def survival_caption(curves: pl.DataFrame, at_risk: pl.DataFrame) -> str:
    """What is left without an event at the end, per optimiser."""
    start = at_risk.sort("step").group_by("momentum", "optimizer", maintain_order=True).first()
    last = curves.sort("step").group_by("momentum", "optimizer", maintain_order=True).last()
    parts = [
        f"{label(r['momentum'], r['optimizer'])} {r['share']:.0%} {_percent(r['low'], r['high'])}"
        for r in last.sort("momentum", "optimizer").iter_rows(named=True)
    ]
    n = spanned([float(v) for v in start["n"]])
    return f"Without sharpening at the end: {', '.join(parts)} ({n} runs each at risk at the first count)."


def _percent(low: float, high: float) -> str:
    return "[none happened]" if low == high == 1.0 else f"[{low:.0%}, {high:.0%}]"
