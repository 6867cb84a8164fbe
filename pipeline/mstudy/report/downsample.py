"""Fewer points for drawing. No statistic of the page is computed on what these functions return."""

from __future__ import annotations

import math
from collections.abc import Sequence


def extremes(values: Sequence[float | None], n_most: int) -> list[int]:
    """Ascending indices of at most `n_most` of `values` that keep the ends and every bucket's least and largest value.

    `values`: (n_points,) in drawing order. A bucket is a run of consecutive points; a spike one point wide is an
    extreme of its bucket and stays. A bucket with a gap (null, NaN or infinity) keeps one such point, so that the
    line breaks there too. Differs from LTTB (Steinarsson 2013), which may drop the lower of two spikes in a bucket.
    """
    if n_most < 5:
        raise ValueError(f"n_most must be at least 5 (two ends and one bucket of three), found {n_most}.")
    n = len(values)
    if n <= n_most:
        return list(range(n))
    n_buckets = (n_most - 2) // 3
    kept = {0, n - 1}
    for k in range(n_buckets):
        kept |= _bucket_extremes(values, range(n * k // n_buckets, n * (k + 1) // n_buckets))
    return sorted(kept)


def _bucket_extremes(values: Sequence[float | None], bucket: range) -> set[int]:
    drawn = {i: value for i in bucket if (value := values[i]) is not None and math.isfinite(value)}
    gaps = [i for i in bucket if i not in drawn][:1]
    if not drawn:
        return set(gaps)
    return {min(drawn, key=drawn.__getitem__), max(drawn, key=drawn.__getitem__), *gaps}
