"""Sentences on what lies beyond the paper: horizons, best against best, limits of stability, power."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.report.charts.theme import label
from mstudy.report.words import count, interval, number


def horizon_caption(horizons: pl.DataFrame) -> str:
    """How the threshold of one batch size moves with the length of training."""
    parts = []
    for rows in horizons.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("status") == "estimated").sort("horizon")
        told = [
            f"{number(r['eta_ef_star'])} {interval(r['ci_low'], r['ci_high'])} at {r['horizon']:.0%} of training"
            for r in known.iter_rows(named=True)
        ]
        parts.append(f"{name}: {', '.join(told) or 'no threshold can be estimated'}")
    n = max(horizons["n_seeds"].to_list(), default=0)
    return f"b = {horizons['batch_size'][0]:,}: {'; '.join(parts)} ({count(n, 'seed')})."


def best_caption(best: pl.DataFrame, margin: float) -> str:
    """Each batch size and momentum: who is ahead when both are tuned."""
    parts = []
    for row in best.sort("batch_size", "momentum").iter_rows(named=True):
        name = f"b = {row['batch_size']:,}, {label(row['momentum'], row['optimizer'])}"
        if row["log_ratio"] is None:
            parts.append(f"{name}: not estimable ({row['status']})")
            continue
        edge = ", best at the end of the grid" if row["at_edge"] else ""
        span = interval(row["ci_low"], row["ci_high"])
        parts.append(f"{name}: {row['log_ratio']:+.3g} {span} ({count(row['n_seeds'], 'seed')}{edge})")
    return f"Log ratio, margin {margin:g}. {'; '.join(parts)}."


def best_answer(best: pl.DataFrame, margin: float) -> str:
    """How many lines are equal, better or worse, by their intervals."""
    known = best.filter(pl.col("ci_low").is_not_null())
    equal = int(((known["ci_low"] >= -margin) & (known["ci_high"] <= margin)).sum())
    ahead, behind = int((known["ci_low"] > margin).sum()), int((known["ci_high"] < -margin).sum())
    edge = int(best["at_edge"].is_not_null().sum())
    text = (
        f"Of {count(len(best), 'comparison')} of tuned SGDM with tuned SGD, {equal} are equal within {margin:g} in log "
        f"loss, in {ahead} SGDM is better, in {behind} worse"
    )
    return text + (f"; in {edge} a best rate lies at the end of the grid." if edge else ".")


def limits_caption(limits: pl.DataFrame) -> str:
    """Measured against predicted, at the smallest and the largest batch size of each optimiser."""
    parts = []
    for rows in limits.sort("momentum", "optimizer").partition_by("momentum", "optimizer", maintain_order=True):
        name = label(rows["momentum"][0], rows["optimizer"][0])
        known = rows.filter(pl.col("eta_ef_max").is_not_null()).sort("batch_size")
        ends = [known.row(0, named=True), known.row(-1, named=True)] if len(known) > 1 else list(known.rows(named=True))
        told = [
            f"{number(r['eta_ef_max'])} {interval(r['ci_low'], r['ci_high'])} at b = {r['batch_size']:,} (predicted "
            f"{number(r['predicted'])}, {count(r['n_seeds'], 'seed')})"
            for r in ends
        ]
        parts.append(f"{name}: {', '.join(told) or 'no limit within the grid'}")
    return f"{'; '.join(parts)}."


def limits_answer(limits: pl.DataFrame) -> str:
    """How far measured and predicted limits are apart."""
    known = limits.filter(pl.col("misfit").is_not_null())
    if known.is_empty():
        return "No limit of stability could be both measured and predicted."
    factors = known["misfit"].abs().exp()
    inside = known.filter(pl.col("predicted").is_between(pl.col("ci_low"), pl.col("ci_high")))
    return (
        f"Measured and predicted limits differ by a factor {number(factors.median())} at the median and "  # type: ignore[arg-type]
        f"{number(factors.max())} at most; {len(inside)} of {len(known)} predictions lie in the measured interval."  # type: ignore[arg-type]
    )


def power_caption(power: pl.DataFrame) -> str:
    """What each claim would need."""
    parts = []
    for row in power.sort("claim").iter_rows(named=True):
        if row["effect_80"] is None:
            parts.append(f"{row['claim']}: not estimable")
            continue
        effect = f"{number(row['effect_80'])} ({row['unit']})" if row["unit"] else number(row["effect_80"])
        parts.append(f"{row['claim']}: an effect of {effect} with {_design(row)}{_would_do(row)}")
    return f"{'; '.join(parts)}." if parts else "No power could be computed."


def _design(row: dict[str, Any]) -> str:
    """What there is: units, seeds, or both."""
    seeds = "" if row["n_seeds"] is None else count(row["n_seeds"], "seed")
    units = "" if row["n_units"] is None else f"{row['n_units']} {row['replicate']}"
    return " of ".join(part for part in (units, seeds) if part) or "what there is"


def _would_do(row: dict[str, Any]) -> str:
    """What the observed effect would need."""
    needs = [] if row["seeds_needed"] is None else [count(row["seeds_needed"], "seed")]
    needs += [] if row["units_needed"] is None else [f"{row['units_needed']} {row['replicate']}"]
    return f"; the one observed needs {' or '.join(needs)}" if needs else ""


def interventions_answer(branches: pl.DataFrame, margin: float) -> str:
    """Of the branches that lost the sharpening of their parents, how many lost the gap."""
    lost = branches.filter(_lost_its_sharpening()).drop_nulls(["gap_parent", "gap_branch"])
    gone = int((lost["gap_branch"].abs() <= margin).sum())
    return (
        f"Of {count(len(branches), 'branch')}, {len(lost)} lost the abrupt sharpening of the run they left; of these, "
        f"{gone} end within {margin:g} in log loss of SGDM."
    )


def interventions_caption(branches: pl.DataFrame) -> str:
    """One kind of intervention: mean gaps of those without sharpening, left alone and branched."""
    lost = branches.filter(_lost_its_sharpening()).drop_nulls(["gap_parent", "gap_branch"])
    seeds = count(lost["seed"].n_unique(), "seed")
    if lost.is_empty():
        return f"{count(len(branches), 'branch')}, none of which lost the sharpening of the run it left."
    return (
        f"{len(lost)} of {count(len(branches), 'branch')} lost the sharpening ({seeds}): their mean gap is "
        f"{number(float(lost['gap_branch'].to_numpy().mean()))}, left alone "
        f"{number(float(lost['gap_parent'].to_numpy().mean()))}."
    )


def _lost_its_sharpening() -> pl.Expr:
    """Of tables.INTERVENTIONS: the parent sharpened after the step of the intervention, the branch did not."""
    return pl.col("sharpened_parent") & ~pl.col("sharpened_branch")
