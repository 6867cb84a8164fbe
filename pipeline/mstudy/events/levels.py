"""Levels of a series, and the rises between them over windows of several widths and gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mstudy.events.series import Series

# (points that each of two levels is measured over, points between them) -> rises, as `rises` has them.
Rises = dict[tuple[int, int], Series]


def window_means(y: Series, width: int) -> Series:
    """Mean of the `width` values from each index on: (..., n) to (..., n - width + 1)."""
    sums = np.zeros((*y.shape[:-1], y.shape[-1] + 1))
    np.cumsum(y, axis=-1, out=sums[..., 1:])
    means: Series = (sums[..., width:] - sums[..., :-width]) / width
    return means


def window_medians(y: Series, width: int) -> Series:
    """Median of the `width` values from each index on: (..., n) to (..., n - width + 1)."""
    windows = np.sort(sliding_window_view(y, width, axis=-1), axis=-1)
    middle: Series = (windows[..., (width - 1) // 2] + windows[..., width // 2]) / 2
    return middle


def rises(medians: Series, width: int, gap: int) -> Series:
    """Level from gap after each boundary on, less the level up to it; entry k: the boundary before point k + width."""
    return medians[..., width + gap :] - medians[..., : medians.shape[-1] - width - gap]


def noise_units(y: Series, scale: Series, spans: Sequence[tuple[int, int]]) -> Rises:
    """Rises over each (width, gap) in units of the noise before them; y, scale: (..., n).

    Entry k is the boundary before point k + width of the narrowest width, whatever the width; -inf where a wider one
    does not fit.
    """
    narrowest, found = min(width for width, _ in spans), {}
    for width in {width: None for width, _ in spans}:
        levels, weight = window_medians(y, width), 1 / _noise_before(scale, width, narrowest)
        missing = np.full((*y.shape[:-1], width - narrowest), -np.inf)
        for gap in (gap for w, gap in spans if w == width):
            rise = rises(levels, width, gap)
            rise *= weight[..., : rise.shape[-1]]
            found[width, gap] = np.concatenate([missing, rise], axis=-1) if width > narrowest else rise
    return found


def _noise_before(scale: Series, width: int, narrowest: int) -> Series:
    """The scale in the middle of the narrowest window before each boundary of a window of `width`."""
    return scale[..., width - narrowest + narrowest // 2 :]
