"""Levels of a series, and the rises between them over windows of several widths and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mstudy.core.series import Series

# (points that each of two levels is measured over, points between them) -> rises, as `rises` has them.
Rises = dict[tuple[int, int], Series]


def window_means(y: Series, width: int) -> Series:
    """Mean of the `width` values from each index on: (..., n) to (..., n - width + 1)."""
    sums = np.zeros((*y.shape[:-1], y.shape[-1] + 1))
    np.cumsum(y, axis=-1, out=sums[..., 1:])
    means: Series = (sums[..., width:] - sums[..., :-width]) / width
    return means


def window_medians(y: Series, width: int) -> Series:
    """Return the median of the `width` values from each index on: (..., n) to (..., n - width + 1).

    By a sorting network whose wires are shifted views of the series: for thousands of short windows that is two to
    three times as fast as sorting each.
    """
    n = y.shape[-1] - width + 1
    wires = [y[..., k : k + n] for k in range(width)]
    for low, high, keeps_low, keeps_high in _median_network(width):
        one, other = wires[low], wires[high]
        if keeps_low:
            wires[low] = np.minimum(one, other)
        if keeps_high:
            wires[high] = np.maximum(one, other)
    middle: Series = (wires[(width - 1) // 2] + wires[width // 2]) / 2
    return middle


@lru_cache(maxsize=64)
def _median_network(width: int) -> list[tuple[int, int, bool, bool]]:
    """Return the comparators (low wire, high wire, which of both is used later) that leave the median in the middle.

    Batcher's odd-even merge sort (Knuth, The Art of Computer Programming, 5.2.2, algorithm M), less what does not reach
    the middle wires.
    """
    comparators = []
    power = 1
    while power < width:
        step = power
        while step >= 1:
            for start in range(step % power, width - step, 2 * step):
                for k in range(start, start + min(step, width - start - step)):
                    if k // (2 * power) == (k + step) // (2 * power):
                        comparators.append((k, k + step))
            step //= 2
        power *= 2
    needed, kept = {(width - 1) // 2, width // 2}, []
    for low, high in reversed(comparators):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return kept[::-1]


def rises(medians: Series, width: int, gap: int) -> Series:
    """Return the level from gap after each boundary on, less the level up to it; entry k: the boundary at k + width."""
    return medians[..., width + gap :] - medians[..., : medians.shape[-1] - width - gap]


def noise_units(y: Series, scale: Series, spans: Sequence[tuple[int, int]]) -> Rises:
    """Return the rises over each (width, gap) in units of the noise before them; y, scale: (..., n).

    A level over the narrowest width is a median, one over a wider width the mean of the medians at its two ends. Entry
    k is the boundary before point k + narrowest, whatever the width; -inf where a wider level does not fit.
    """
    narrowest, units = min(width for width, _ in spans), {}
    medians, inverse = window_medians(y, narrowest), 1 / scale
    for width in {width: None for width, _ in spans}:
        further = width - narrowest
        levels = medians if not further else (medians[..., :-further] + medians[..., further:]) / 2
        weight = inverse[..., further + narrowest // 2 :]  # in the middle of the narrow window before the boundary
        for gap in (gap for w, gap in spans if w == width):
            rise = rises(levels, width, gap)
            rise *= weight[..., : rise.shape[-1]]
            missing = np.full((*y.shape[:-1], further), -np.inf, dtype=y.dtype)
            units[width, gap] = np.concatenate([missing, rise], axis=-1) if further else rise
    return units
