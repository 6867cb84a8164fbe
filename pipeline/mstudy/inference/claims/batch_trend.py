"""C3: whether the advantage grows with the batch size."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from mstudy.inference.claims.claim import Claim, holm, listed, untestable, verdict_of
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.thresholds import ESTIMATED
from mstudy.params import Estimate
from mstudy.tables import LINE, SETTING


def judge_batch_trend(evidence: Evidence, estimate: Estimate) -> Claim:
    """Slope of the advantage at matched eta_ef on log2 b, per setting and momentum: t with K - 2 degrees of freedom.

    Matched: the eta_ef at which every batch size compares, none diverged, and at least one line is above threshold.
    The batch size is the unit: seeds within one say nothing of how batch sizes differ.
    """
    slopes = []
    for (*_, optimizer, momentum), cells in evidence.advantage.group_by(
        [*SETTING, "optimizer", "momentum"], maintain_order=True
    ):
        matched = _matched(cells, evidence.thresholds)
        by_batch = matched.group_by("batch_size").agg(pl.col("log_ratio").mean()).sort("batch_size")
        if len(by_batch) >= estimate.min_batch_sizes:
            fit = stats.linregress(np.log2(by_batch["batch_size"].to_numpy()), by_batch["log_ratio"].to_numpy())
            half = stats.t.ppf(1 - estimate.alpha / 2, len(by_batch) - 2) * fit.stderr
            label = f"{optimizer}, mu = {momentum:g}, matched eta_ef {listed(matched['eta_ef'].unique().sort())}"
            slopes.append((fit.slope, half, fit.pvalue, label, len(by_batch)))
    if not slopes:
        needed = f"fewer than {estimate.min_batch_sizes} batch sizes share an eta_ef at or above a threshold"
        return untestable("C3", "advantage", needed)
    adjusted = holm([slope[2] for slope in slopes])
    growing = all(s[0] > 0 and p <= estimate.alpha for s, p in zip(slopes, adjusted, strict=True))
    falling = any(s[0] < 0 and p <= estimate.alpha for s, p in zip(slopes, adjusted, strict=True))
    slope, half, _, label, n = min(slopes)
    reason = (
        f"Per doubling of b the advantage changes by {slope:+.3f} [{slope - half:+.3f}, {slope + half:+.3f}] in log "
        f"loss ({label}; the smallest of {len(slopes)} slopes)."
    )
    return Claim(
        "C3",
        verdict_of(growing, falling),
        reason,
        "advantage",
        n,
        "batch sizes",
        float(slope),
        (float(slope - half), float(slope + half)),
        "log loss ratio per doubling of b",
        float(max(adjusted)),
        tuple(s[3] for s in slopes),
    )


def _matched(cells: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """Cells at the eta_ef that every batch size shares without divergence, at or above the lowest threshold."""
    whole = cells.filter(
        (pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0) & pl.col("log_ratio").is_not_null()
    )
    n_batches = cells["batch_size"].n_unique()
    shared = whole.group_by("eta_ef").agg(pl.col("batch_size").n_unique()).filter(pl.col("batch_size") == n_batches)
    lines = thresholds.join(cells.select(LINE).unique(), on=LINE).filter(pl.col("status") == ESTIMATED)
    lowest = lines["eta_ef_star"].min()
    if lowest is None:
        return whole.clear()
    return whole.filter(pl.col("eta_ef").is_in(shared["eta_ef"].to_list()) & (pl.col("eta_ef") >= lowest))
