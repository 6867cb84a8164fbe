"""C3: whether the advantage grows with the batch size."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.trends import AT_SHARE
from mstudy.pairs.seed_tests import holm


def judge_batch_trend(evidence: Evidence, estimate: Estimate) -> Claim:
    """The slope at matched eta_ef of every setting and momentum must be positive (intersection-union).

    One significantly negative slope contradicts (Holm). The slope at matched shares of SGD's stability limit is told,
    not judged.
    """
    slopes = evidence.trends.filter(pl.col("decides") & pl.col("slope").is_not_null())
    if slopes.is_empty():
        needed = f"fewer than {estimate.min_batch_sizes} batch sizes share an eta_ef at or above a threshold"
        return untestable("C3", "trends", needed, 0, "batch sizes")
    p_values = slopes["p_value"].to_list()
    growing = all(s > 0 and p <= estimate.alpha for s, p in zip(slopes["slope"], p_values, strict=True))
    falling = any(s < 0 and p <= estimate.alpha for s, p in zip(slopes["slope"], holm(p_values), strict=True))
    least = slopes.row(int(slopes["slope"].arg_min() or 0), named=True)
    reason = (
        f"Per doubling of b the advantage changes by {_interval(least)} in log loss ({_name(least)}, matched eta_ef "
        f"{least['matched']}; the smallest of {len(slopes)} slopes){_at_shares(evidence.trends, least)}."
    )
    return Claim(
        "C3",
        verdict_of(growing, falling),
        reason,
        "trends",
        least["n_batch_sizes"],
        "batch sizes",
        least["slope"],
        (least["ci_low"], least["ci_high"]),
        "log loss ratio per doubling of b",
        float(max(p_values)),
        tuple(f"{_name(row)}, {row['quantity']}" for row in slopes.iter_rows(named=True)),
    )


def _at_shares(trends: pl.DataFrame, least: dict[str, Any]) -> str:
    same = [pl.col(key) == least[key] for key in ("study", "model", "dataset", "objective", "optimizer", "momentum")]
    rows = trends.filter(*same, pl.col("quantity") == AT_SHARE, pl.col("slope").is_not_null())
    if rows.is_empty():
        return ""
    return f"; at matched shares of SGD's stability limit by {_interval(rows.row(0, named=True))}"


def _interval(row: dict[str, Any]) -> str:
    return f"{row['slope']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"


def _name(row: dict[str, Any]) -> str:
    return f"{row['optimizer']}, mu = {row['momentum']:g}"
