"""What a handful of seeds says of a mean: interval and one-sided tests. The seed is the unit, never the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Sample = NDArray[np.float64]


def bootstrap_interval(
    sample: Sample, alpha: float, n_resamples: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Compute the expanded percentile bootstrap interval of the mean; None with fewer than two values.

    Hesterberg (2015), "What teachers should know about the bootstrap", section 5.3: the plain percentile interval is
    too narrow at small n by sqrt((n - 1) / n) and by z / t; here the level is widened until it agrees with Student's.
    """
    n = len(sample)
    if n < 2:
        return None
    level = stats.norm.cdf(-math.sqrt(n / (n - 1)) * stats.t.ppf(1 - alpha / 2, n - 1))
    means = sample[rng.integers(0, n, size=(n_resamples, n))].mean(axis=1)
    low, high = np.quantile(means, [level, 1 - level])
    return float(low), float(high)


def p_greater_rows(samples: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Test each row by a one-sided t test, null: mean <= bound; (n_rows, n_seeds) with NaN for absent seeds.

    NaN with fewer than two values. Values without spread (every rival diverged, all at the cap) leave only their
    number: the sign test's 2^-n.
    """
    n = (~np.isnan(samples)).sum(axis=1)
    mean = np.nansum(samples, axis=1) / np.maximum(n, 1)
    spread = np.sqrt(np.nansum((samples - mean[:, None]) ** 2, axis=1) / np.maximum(n - 1, 1))
    flat = spread < 1e-9
    t = (mean - bound) / (np.where(flat, 1.0, spread) / np.sqrt(np.maximum(n, 1)))
    p = np.where(flat, np.where(mean > bound, 0.5**n, 1.0), special.stdtr(np.maximum(n - 1, 1), -t))
    return np.where(n < 2, np.nan, p)


def p_equivalent_rows(samples: NDArray[np.float64], margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Test each row by two one-sided tests (Schuirmann 1987), null: |mean| >= its margin, (n_rows,); NaN likewise."""
    return np.maximum(*(p_greater_rows(sign * samples + margins[:, None], 0.0) for sign in (-1, 1)))


def p_greater(sample: Sample, bound: float) -> float | None:
    """Test one sample, (n_seeds,), likewise. None with fewer than two values."""
    p = float(p_greater_rows(sample[None, :], bound)[0])
    return None if math.isnan(p) else p


def p_less(sample: Sample, bound: float) -> float | None:
    """Test by a one-sided t test, null: mean >= bound."""
    return p_greater(-sample, -bound)


def p_equivalent(sample: Sample, margin: float) -> float | None:
    """Test by two one-sided tests (Schuirmann 1987), null: |mean| >= margin."""
    below, above = p_less(sample, margin), p_greater(sample, -margin)
    return None if below is None or above is None else max(below, above)


def t_interval_rows(
    samples: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean and Student's interval of each row, (n_rows, n_seeds) with NaN for absent seeds; NaN where there is none."""
    n = (~np.isnan(samples)).sum(axis=1)
    mean = np.nansum(samples, axis=1) / np.maximum(n, 1)
    variance = np.nansum((samples - mean[:, None]) ** 2, axis=1) / np.maximum(n - 1, 1)
    half = special.stdtrit(np.maximum(n - 1, 1), 1 - alpha / 2) * np.sqrt(variance / np.maximum(n, 1))
    half = np.where(n < 2, np.nan, half)
    return np.where(n < 1, np.nan, mean), mean - half, mean + half


def t_interval(sample: Sample, alpha: float) -> tuple[float, float, float] | None:
    """Compute the interval of one sample, (n_seeds,), likewise. None with fewer than two values."""
    if len(sample) < 2:
        return None
    mean, low, high = (float(end[0]) for end in t_interval_rows(sample[None, :], alpha))
    return mean, low, high


def median_interval(sample: Sample, alpha: float) -> tuple[float | None, float | None, float | None, float | None]:
    """Return the median, and its interval from order statistics with its level; nothing of fewer than two values.

    The interval is the shortest of level 1 - alpha or more. Where the values are too few for any, it is their whole
    range, whose level is below 1 - alpha.
    """
    if len(sample) == 0:
        return None, None, None, None
    values, n = np.sort(sample), len(sample)
    middle = float(np.median(values))
    if n < 2:
        return middle, None, None, None
    # Beyond k values on either side lies the median with probability 2 P(binomial(n, 1/2) <= k).
    cut = max((k for k in range(n // 2) if 2 * stats.binom.cdf(k, n, 0.5) <= alpha), default=0)
    level = 1 - 2 * float(stats.binom.cdf(cut, n, 0.5))
    return middle, float(values[cut]), float(values[n - 1 - cut]), level


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of one family after Holm (1979). statsmodels' own collects garbage at each call: 0.2 s."""
    order = np.argsort(p_values)
    scaled = np.asarray(p_values, dtype=float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(p) for p in adjusted]
