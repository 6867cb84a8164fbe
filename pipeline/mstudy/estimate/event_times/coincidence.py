"""Coincidence: do the parting of a pair and the abrupt sharpening of its SGD run happen at the same moment?

Both times depend on the learning rate and on the phase of training, so they go together even if neither event has to do
with the other. Only two comparisons are free of that: the seeds within a block (does a late sharpening go with a late
parting?), and the size of the typical lag. Method: docs/methods.md. Error rates, also of the refused tests:
benchmarks/inference_events.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from mstudy.core.generators import generator_for
from mstudy.core.params import Estimate
from mstudy.core.statuses import PARTED_OR_DIVERGED, SharpeningStatus
from mstudy.estimate.event_times import coincidence_tests, refused_tests
from mstudy.estimate.event_times.coincidence_tests import Times
from mstudy.estimate.event_times.exchange import Moments, weight_of, within_blocks
from mstudy.pairs.like_with_like import aligned_pairs, log_step, numbered_openings, numbered_rises
from mstudy.pairs.seed_tests import median_interval
from mstudy.tables.contracts import ALIGNMENT
from mstudy.tables.table import BLOCK, CELL

PERMUTATION, EQUIVALENCE, SHARED = "within_block_permutation", "block_lag_equivalence", "within_block_slope"
_NULLS = {
    PERMUTATION: "within a block, the seed's parting does not depend on its sharpening",
    EQUIVALENCE: "the mean lag over blocks is outside the tolerance",
    SHARED: "none tested: the part of a seed's deviation from its cell that both events share",
    "pooled_spearman": "no rank correlation over all pairs",
    "pooled_permutation": "over all pairs, partings and sharpenings are exchangeable",
    "run_level_equivalence": "the mean lag over pairs is outside the tolerance",
    "partial_spearman": "no rank correlation over all pairs given eta_ef and b",
}
_WHY_REFUSED = {
    "pooled_spearman": "learning rate and phase of training drive both times, whether or not they are linked",
    "pooled_permutation": "as above: any two events that follow the learning rate are nearer than chance",
    "run_level_equivalence": "pairs of one block are no independent cases, and equal typical times need no link",
    "partial_spearman": "learning rate and batch size act on the times in no straight line of ranks",
}


def measure_alignment(
    partings: pl.DataFrame,
    sharpenings: pl.DataFrame,
    openings: pl.DataFrame,
    events: pl.DataFrame,
    estimate: Estimate,
) -> pl.DataFrame:
    """Return one row a test (tables.ALIGNMENT). A p-value is null where the test cannot be made.

    openings: tables.OPENINGS. events: tables.SHARPENING_EVENTS. A block (SGD and its SGDM runs at one batch size and
    eta_ef) is one unit: its pairs share SGD runs.
    """
    pairs = aligned_pairs(openings, events)
    times = times_of(pairs)
    shared = {"scope": "all", **_describe(pairs, times, estimate.alpha), **_counts(partings, sharpenings)}
    rows = [
        {"statistic": PERMUTATION, "decides": True, **_permutation(times, openings, events, estimate)},
        {"statistic": EQUIVALENCE, "decides": True, **_equivalence(times, estimate.lag_tolerance)},
        {"statistic": SHARED, "decides": True, **_shared(times, estimate.alpha)},
        *_refused(times, estimate),
    ]
    texts = [(_NULLS[str(r["statistic"])], _WHY_REFUSED.get(str(r["statistic"]))) for r in rows]
    return ALIGNMENT.frame(
        [shared | {"null": null, "why_refused": why} | row for row, (null, why) in zip(rows, texts, strict=True)]
    )


def times_of(pairs: pl.DataFrame) -> Times:
    """Return `aligned_pairs` as arrays."""
    keyed = pairs.select(
        log_step("step").alias("parting"),
        log_step("sharpening_step").alias("sharpening"),
        _error("").alias("parting_error"),
        _error("sharpening_").alias("sharpening_error"),
        pl.struct(BLOCK).rank("dense").cast(pl.Int64).alias("block"),
        pl.struct(CELL).rank("dense").cast(pl.Int64).alias("cell"),
        "seed",
        pl.col("eta_ef").log().alias("log_eta"),
        pl.col("batch_size").cast(pl.Float64).log().alias("log_b"),
        "place",
    )
    return Times(**{name: keyed[name].to_numpy() for name in keyed.columns})


def exchangeable(openings: pl.DataFrame, events: pl.DataFrame) -> tuple[Moments, Moments]:
    """Return all openings and all rises, numbered, matched or not: what the permutation exchanges."""
    opened = numbered_openings(openings).with_columns(
        pl.struct(BLOCK).rank("dense").cast(pl.Int64).alias("block"),
        pl.struct(CELL).rank("dense").cast(pl.Int64).alias("cell"),
    )
    runs = opened.select(pl.col("sgd_run_id").alias("run_id"), "block", "seed").unique()
    # A run's momenta are its pairs'; its own cell is none.
    risen = numbered_rises(events).join(runs, on="run_id").with_columns(pl.lit(0, pl.Int64).alias("cell"))
    return _moments(opened), _moments(risen)


def _moments(numbered: pl.DataFrame) -> Moments:
    names = ("block", "cell", "seed", "place", "n_passing")
    arrays = {name: numbered[name].cast(pl.Int64).to_numpy() for name in names}
    known = numbered.select(log_step("step").alias("step"), _error("").alias("error"))
    return Moments(log_step=known["step"].to_numpy(), weight=weight_of(known["error"].to_numpy()), **arrays)


def _counts(partings: pl.DataFrame, sharpenings: pl.DataFrame) -> dict[str, object]:
    """Count the pairs that part, and those of them whose SGD run could have been seen to sharpen."""
    parted = partings.filter(pl.col("status").is_in(PARTED_OR_DIVERGED)).join(
        sharpenings.select(pl.col("run_id").alias("sgd_run_id"), pl.col("status").alias("sharpening")), on="sgd_run_id"
    )
    observed = parted.filter(pl.col("sharpening").is_in([SharpeningStatus.DETECTED, SharpeningStatus.NONE]))
    return {"n_parted": len(parted), "n_parted_seen": len(observed)}


def _describe(pairs: pl.DataFrame, times: Times, alpha: float) -> dict[str, object]:
    """Return counts, the reliability of both times, and the lag: its median and its mean over blocks.

    The mean has Student's interval, the median in steps that of order statistics. The mean lag in steps is the same
    factor, at the typical step of sharpening (geometric mean over blocks).
    """
    lag = coincidence_tests.lag_over_blocks(times)
    blocks = [times.sharpening[times.block == block].mean() for block in np.unique(times.block)]
    typical = float(np.exp(np.mean(blocks))) if blocks else float("nan")

    def in_steps(log_lag: float | None) -> float | None:
        return None if log_lag is None else typical * float(np.expm1(log_lag))

    steps = pairs.group_by(BLOCK, maintain_order=True).agg((pl.col("step") - pl.col("sharpening_step")).median())
    median, median_low, median_high, level = median_interval(steps["step"].to_numpy(), alpha)
    mean = lag.mean if lag else None
    low, high = lag.interval(alpha) if lag else (None, None)
    return {
        "n_pairs": pairs.select(*CELL, "seed").n_unique(),
        "n_moments": len(pairs),
        "n_cells": len(blocks),
        "lag_median": pairs["log_lag"].median(),
        "lag_mean": mean,
        "lag_low": low,
        "lag_high": high,
        "lag_steps_median": median,
        "lag_steps_median_low": median_low,
        "lag_steps_median_high": median_high,
        "lag_steps_median_level": level,
        "lag_steps_mean": in_steps(mean),
        "lag_steps_low": in_steps(low),
        "lag_steps_high": in_steps(high),
        "reliability_parting": coincidence_tests.reliability(times.parting, times.parting_error, times),
        "reliability_sharpening": coincidence_tests.reliability(times.sharpening, times.sharpening_error, times),
    }


def _error(prefix: str) -> pl.Expr:
    """Return the standard error of a log step, from its 95 % interval."""
    width = log_step(f"{prefix}step_high") - log_step(f"{prefix}step_low")
    return (width / (2 * 1.96)).fill_null(0.0)


def _n_varied_blocks(times: Times) -> int:
    """Count the blocks in which both times differ between seeds."""
    return sum(
        np.ptp(times.parting[times.block == block]) > 0 and np.ptp(times.sharpening[times.block == block]) > 0
        for block in np.unique(times.block)
    )


def _permutation(times: Times, openings: pl.DataFrame, events: pl.DataFrame, estimate: Estimate) -> dict[str, object]:
    if _n_varied_blocks(times) < estimate.min_cells:
        return {"estimate": None, "p_value": None}
    rng = generator_for(PERMUTATION, estimate.seed)
    moments = exchangeable(openings, events)
    observed, p_value = within_blocks(*moments, estimate.resamples, rng) or (None, None)
    return {"estimate": observed, "p_value": p_value}


def _equivalence(times: Times, tolerance: float) -> dict[str, object]:
    lag = coincidence_tests.lag_over_blocks(times)
    if lag is None:
        return {"estimate": float(times.lag.mean()) if len(times.lag) else None, "p_value": None}
    return {"estimate": lag.mean, "p_value": lag.p_equivalent(tolerance)}


def _shared(times: Times, alpha: float) -> dict[str, object]:
    slope, low, high = coincidence_tests.shared_part(times, alpha) or (None, None, None)
    return {"estimate": slope, "estimate_low": low, "estimate_high": high, "p_value": None}


def _refused(times: Times, estimate: Estimate) -> list[dict[str, object]]:
    """Return the tests that a first analysis would try, each with the p-value that it would have reported."""
    rng = generator_for("pooled", estimate.seed)
    tests: dict[str, Callable[[], tuple[float, float] | None]] = {
        "pooled_spearman": lambda: refused_tests.pooled_spearman(times),
        "pooled_permutation": lambda: refused_tests.pooled_permutation(times, estimate.resamples, rng),
        "partial_spearman": lambda: refused_tests.partial_spearman(times),
    }
    rows: list[dict[str, object]] = []
    for name, test in tests.items():
        value, p_value = test() or (None, None)
        rows.append({"statistic": name, "decides": False, "estimate": value, "p_value": p_value})
    p_value = refused_tests.equivalence(times.lag, estimate.lag_tolerance)
    mean = float(times.lag.mean()) if len(times.lag) else None
    return [*rows, {"statistic": "run_level_equivalence", "decides": False, "estimate": mean, "p_value": p_value}]
