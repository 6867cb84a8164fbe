"""What the event detectors ask of a noisy series: a running mean, and the scale of dependent noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def median(values: Series) -> float:
    """Return the median of (n_points,); NaN of none. For short series it takes a fifth of the time of numpy's."""
    n = len(values)
    if not n:
        return float("nan")
    ordered = np.sort(values)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def smooth(y: Series, width: int) -> Series:
    """Average over `width` points (odd), with the ends held: (n_points,) to (n_points,)."""
    half = width // 2
    padded = np.concatenate([np.full(half, y[:half].mean()), y, np.full(half, y[-half:].mean())])
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def long_run_sd(residual: Series) -> float:
    """Estimate the standard deviation of independent points whose means would vary as much as the means of this series.

    From the means of blocks of about sqrt(n) points; not below that of single points. Neighbouring logged points
    are dependent, and a penalty from the variance of differences would find a change in every slow wander.
    """
    length = max(2, int(len(residual) ** 0.5))
    n_blocks = len(residual) // length
    means = residual[: n_blocks * length].reshape(n_blocks, length).mean(axis=1)
    return float(max(residual.std(), means.std(ddof=1) * length**0.5))


def local_scale(residual: Series) -> Series:
    """Scale near each point, (..., n): geometric mean of the mean |residual| over a sixth of the run and over all."""
    n = residual.shape[-1]
    width = min(max(17, n // 6), n)
    sums = np.zeros((*residual.shape[:-1], n + 1), dtype=residual.dtype)
    np.cumsum(np.abs(residual), axis=-1, out=sums[..., 1:])
    first = np.arange(n) - width // 2
    last = np.minimum(first + width, n)
    first = np.maximum(first, 0)
    overall = np.maximum(sums[..., -1:] / n, 1e-12)
    near = (sums[..., last] - sums[..., first]) / (last - first)
    scale: Series = np.sqrt(np.maximum(near, 1e-6 * overall) * overall)
    return scale
