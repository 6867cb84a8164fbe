"""Coincidence: do the parting of a pair and the abrupt sharpening of its SGD run happen at the same moment?

Both times depend on the learning rate and on the phase of training, so they go together even when neither has to do
with the other. Only two comparisons are free of that: seeds within a block (whose sharpening came late because its
parting did?), and the size of the typical lag. Method and measured error rates of the refused tests: docs/methods.md.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.events.detect import generator_for
from mstudy.inference.seeds import t_interval
from mstudy.params import Estimate
from mstudy.tables import ALIGNMENT, BLOCK

PERMUTATION, EQUIVALENCE, NAIVE = "within_block_permutation", "block_lag_equivalence", "pooled_spearman"
_NULLS = {
    PERMUTATION: "within a block, the seed's parting does not depend on its sharpening",
    EQUIVALENCE: "the mean lag over blocks is outside the tolerance",
    NAIVE: "no rank correlation over all pairs (refused: learning rate and phase drive both times)",
}
Lags = NDArray[np.float64]


def aligned_pairs(partings: pl.DataFrame, sharpenings: pl.DataFrame) -> pl.DataFrame:
    """The pairs in which both events were seen: tables.PARTINGS with `sharpening_step` and `log_lag`.

    log_lag = log(parting / sharpening), both times at least one step. A pair parted by divergence has its parting
    there.
    """
    events = sharpenings.filter(pl.col("status") == "detected").select(
        pl.col("run_id").alias("sgd_run_id"), pl.col("step").alias("sharpening_step")
    )
    both = partings.filter(pl.col("step").is_not_null()).join(events, on="sgd_run_id")
    lag = pl.max_horizontal("step", 1.0).log() - pl.max_horizontal("sharpening_step", 1.0).log()
    return both.with_columns(lag.alias("log_lag")).sort(*BLOCK, "momentum", "seed")


def measure_alignment(partings: pl.DataFrame, sharpenings: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """One row a test (tables.ALIGNMENT). A p-value is null where the test cannot be made.

    A block (SGD and its SGDM runs at one batch size and eta_ef) is one unit: its pairs share SGD runs.
    """
    pairs = aligned_pairs(partings, sharpenings)
    blocks = pairs.partition_by(BLOCK)
    described = _describe(pairs, blocks, estimate.alpha)
    rows = [
        {"statistic": PERMUTATION, "decides": True, **_permute(blocks, estimate)},
        {"statistic": EQUIVALENCE, "decides": True, **_equivalence(blocks, estimate.lag_tolerance)},
        {"statistic": NAIVE, "decides": False, **_spearman(pairs)},
    ]
    return ALIGNMENT.frame([{"scope": "all", "null": _NULLS[str(r["statistic"])], **described, **r} for r in rows])


def _describe(pairs: pl.DataFrame, blocks: list[pl.DataFrame], alpha: float) -> dict[str, object]:
    """Counts, and the lag in log time and in steps: median over pairs, Student's interval over blocks."""
    steps = pairs["step"] - pairs["sharpening_step"]
    logs = t_interval(_block_means([b["log_lag"] for b in blocks]), alpha)
    in_steps = t_interval(_block_means([b["step"] - b["sharpening_step"] for b in blocks]), alpha)
    return {
        "n_pairs": len(pairs),
        "n_cells": len(blocks),
        "lag_median": pairs["log_lag"].median(),
        "lag_low": logs[1] if logs else None,
        "lag_high": logs[2] if logs else None,
        "lag_steps_median": steps.median(),
        "lag_steps_low": in_steps[1] if in_steps else None,
        "lag_steps_high": in_steps[2] if in_steps else None,
    }


def _block_means(series: list[pl.Series]) -> Lags:
    return np.array([float(s.mean()) for s in series])  # type: ignore[arg-type]  # of a numeric series


def _permute(blocks: list[pl.DataFrame], estimate: Estimate) -> dict[str, object]:
    """Mean |log lag|, against sharpening times exchanged between the seeds of a block (one exchange for all mu)."""
    varied = [b for b in blocks if b["sharpening_step"].n_unique() > 1 and b["step"].n_unique() > 1]
    if len(varied) < estimate.min_cells:
        return {"estimate": None, "p_value": None}
    rng = generator_for(PERMUTATION, estimate.seed)
    observed = np.array(0.0)
    permuted = np.zeros(estimate.resamples)
    for block in varied:
        seeds, index = np.unique(block["seed"].to_numpy(), return_inverse=True)
        sharpening = np.zeros(len(seeds))
        sharpening[index] = block["sharpening_step"].log().to_numpy()
        parting = block["step"].log().to_numpy()
        orders = np.argsort(rng.random((estimate.resamples, len(seeds))), axis=1)
        observed = observed + np.abs(parting - sharpening[index]).sum()
        permuted += np.abs(parting - sharpening[orders][:, index]).sum(axis=1)
    p_value = (1 + int((permuted <= observed + 1e-12).sum())) / (estimate.resamples + 1)
    return {"estimate": float(observed) / sum(len(b) for b in varied), "p_value": p_value}


def _equivalence(blocks: list[pl.DataFrame], tolerance: float) -> dict[str, object]:
    """Two one-sided t tests over block means: log lag between log(1 - tolerance) and log(1 + tolerance)."""
    lags = _block_means([b["log_lag"] for b in blocks])
    if len(lags) < 2 or lags.std(ddof=1) == 0:
        return {"estimate": float(lags.mean()) if len(lags) else None, "p_value": None}
    error = lags.std(ddof=1) / len(lags) ** 0.5
    below = stats.t.sf((np.log1p(tolerance) - lags.mean()) / error, len(lags) - 1)
    above = stats.t.sf((lags.mean() - np.log1p(-tolerance)) / error, len(lags) - 1)
    return {"estimate": float(lags.mean()), "p_value": float(max(below, above))}


def _spearman(pairs: pl.DataFrame) -> dict[str, object]:
    if len(pairs) < 3 or pairs["step"].n_unique() < 2 or pairs["sharpening_step"].n_unique() < 2:
        return {"estimate": None, "p_value": None}
    found = stats.spearmanr(pairs["step"].to_numpy(), pairs["sharpening_step"].to_numpy())
    return {"estimate": float(found.statistic), "p_value": float(found.pvalue)}
