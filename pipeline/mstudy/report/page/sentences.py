"""What is known of one run, and of one pair, in a sentence each: both definitions of sharpening, and the parting."""

from __future__ import annotations

from typing import Any, assert_never

import polars as pl

from mstudy.core.statuses import WITH_DIVERGENCE, Ahead, PartingStatus, RunStatus, SharpeningStatus, StabilityStatus
from mstudy.report.charts.theme import label, run_label
from mstudy.report.words import count, interval, listed, number, spanned, step


def run_sentence(run: dict[str, Any], sharpening: dict[str, Any]) -> str:
    """Say what is known of a run: a row of tables.RUNS; found: its row of tables.SHARPENINGS."""
    parts = [_jump(sharpening), *_stability(sharpening)]
    if sharpening["stability_status"] == StabilityStatus.NO_LINE and run["branch_of"] is None:
        parts.append("no stability line is known for its optimizer")
    if run["diverged_step"] is not None:
        parts.append(f"diverges at step {step(run['diverged_step'])}")
    return f"{run_label(run)}, seed {run['seed']}: {'; '.join(parts)}."


def _jump(sharpening: dict[str, Any]) -> str:
    status = SharpeningStatus(sharpening["status"])
    match status:
        case SharpeningStatus.DETECTED:
            return _first_event(sharpening)
        case SharpeningStatus.NONE:
            return f"no abrupt sharpening up to step {step(sharpening['followup_step'])}"
        case SharpeningStatus.TOO_SHORT:
            return "too few points to tell of abrupt sharpening"
        case SharpeningStatus.NO_CURVATURE:
            return "no curvature in its log"
        case _:
            assert_never(status)


def _first_event(sharpening: dict[str, Any]) -> str:
    more = "" if (sharpening["n_events"] or 1) < 2 else f", the first of {sharpening['n_events']}"
    between = interval(sharpening["step_low"], sharpening["step_high"], step)
    return (
        f"sharpens abruptly at step {step(sharpening['step'])} {between}{more}, "
        f"by a factor {number(sharpening['jump'])} (p = {number(sharpening['p_value'])})"
    )


def _stability(sharpening: dict[str, Any]) -> list[str]:
    """Return the second definition, and whether the two agree."""
    jumped = sharpening["status"] == SharpeningStatus.DETECTED
    if sharpening["stability_status"] == StabilityStatus.REACHED:
        verdict = {True: ": the two agree", False: ": the two disagree", None: ""}[sharpening["stability_agrees"]]
        return [f"stays at its stability line from step {step(sharpening['stability_step'])}{verdict}"]
    if sharpening["stability_status"] == StabilityStatus.NONE and jumped:
        return ["never settles at its stability line: the two disagree"]
    return []


def pair_sentence(pair: dict[str, Any]) -> str:
    """Say what became of a pair: a row of tables.PARTINGS."""
    name = f"{label(pair['momentum'], pair['optimizer'])}, seed {pair['seed']}"
    at = f"step {step(pair['step'])} {interval(pair['step_low'], pair['step_high'], step)}"
    status = PartingStatus(pair["status"])
    match status:
        case PartingStatus.PARTED:
            return f"{name} parts from SGD at {at}, {_leader(pair)} ahead."
        case PartingStatus.TRANSIENT:
            return f"{name} parts from SGD at {at}, {_leader(pair)} ahead, and they come together again."
        case PartingStatus.SGD_DIVERGED:
            return f"{name}: SGD diverges at step {step(pair['step'])}, and SGDM does not."
        case PartingStatus.SGDM_DIVERGED:
            return f"{name} diverges at step {step(pair['step'])}, and SGD does not."
        case PartingStatus.BOTH_DIVERGED:
            return f"{name}: both runs of the pair diverge, the first at step {step(pair['step'])}."
        case PartingStatus.INSUFFICIENT:
            return f"{name}: too few seeds or points to tell of a parting from SGD."
        case PartingStatus.NO_LAG:
            return f"{name}: how far it is behind SGD is not known, so no parting can be told."
        case PartingStatus.NONE:
            return f"{name} does not part from SGD."
        case _:
            assert_never(status)


def _leader(pair: dict[str, Any]) -> str:
    return "SGDM" if pair["ahead"] == Ahead.SGDM else "SGD"


def block_sentence(runs: pl.DataFrame, sharpenings: pl.DataFrame, pairs: pl.DataFrame) -> str:
    """Say of all seeds of one block how many sharpen and part, and when.

    runs: rows of tables.RUNS with their `label`; found, pairs: the rows of SHARPENINGS and PARTINGS of these runs.
    """
    both = runs.join(sharpenings, on="run_id", suffix="_sharpening")
    detected = pl.col("status_sharpening") == SharpeningStatus.DETECTED
    jumps = [
        f"{rows['label'][0]} {_happened(rows.filter(detected)['step'], len(rows))}"
        for rows in both.partition_by("label", maintain_order=True)
    ]
    parts = [
        f"μ = {rows['momentum'][0]:g} {_parted(rows)}"
        for rows in pairs.filter(pl.col("status") != PartingStatus.NO_LAG)
        .sort("optimizer", "momentum")
        .partition_by("optimizer", "momentum", maintain_order=True)
    ]
    diverged = [
        f"{rows['label'][0]} in {count(len(rows), 'seed')}"
        for rows in runs.filter(pl.col("diverged_step").is_not_null()).partition_by("label", maintain_order=True)
    ]
    text = f"Sharpens abruptly: {', '.join(jumps)}."
    text += f" Parts from SGD: {', '.join(parts)}." if parts else ""
    return text + (f" Diverges: {listed(diverged)}." if diverged else "")


def _parted(pairs: pl.DataFrame) -> str:
    """Say how many pairs part, and in how many a run diverges, so that they neither part nor stay together."""
    n_diverged = len(pairs.filter(pl.col("status").is_in(WITH_DIVERGENCE)))
    more = f"in {n_diverged} a run diverges" if n_diverged else ""
    return _happened(pairs.filter(pl.col("status") == PartingStatus.PARTED)["step"], len(pairs), more)


def _happened(steps: pl.Series, n: int, more: str = "") -> str:
    when = "" if steps.is_empty() else f"step {spanned([float(round(moment)) for moment in steps], step)}"
    details = "; ".join(part for part in (when, more) if part)
    return f"in {len(steps) or 'none'} of {count(n, 'seed')}" + (f" ({details})" if details else "")


def study_sentence(runs: pl.DataFrame) -> str:
    """Say what the whole study is, in one sentence."""
    diverged, n_branches = int((runs["status"] == RunStatus.DIVERGED).sum()), runs["branch_of"].count()
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
