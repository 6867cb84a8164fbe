"""Shapes that a rise may have, on a grid of middles, lengths and kinds: what its time is read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series

LENGTHS_POINTS = (1.0, 1.5, 2, 3, 4, 6, 8, 11, 16, 22, 30, 44, 60)
LONGEST = LENGTHS_POINTS[-1]
_STEP = 0.5  # points between middles
_COARSE_STEPS = 48  # middles tried before the place is known to a few points
_RATE = 3.0  # time constants in the length of an exponential rise


def _linear(share: Series) -> Series:
    return np.clip(share, 0.0, 1.0)


def _smooth(share: Series) -> Series:
    x = np.clip(share, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _slowing(share: Series) -> Series:
    return -np.expm1(-_RATE * np.maximum(share, 0.0))


def _accelerating(share: Series) -> Series:
    risen: Series = np.expm1(_RATE * np.clip(share, 0.0, 1.0)) / np.expm1(_RATE)
    return risen


# The rise from 0 to 1 over a share of its length, and the share at which half of it is reached.
_KINDS: tuple[tuple[Callable[[Series], Series], float], ...] = (
    (_linear, 0.5),
    (_smooth, 0.5),
    (_slowing, float(np.log(2) / _RATE)),
    (_accelerating, float(np.log1p(np.expm1(_RATE) / 2) / _RATE)),
)


@dataclass(frozen=True)
class Grid:
    """shapes: (n_shapes, n_points) from 0 to 1; onset, middle, end: (n_shapes,), in points."""

    shapes: Series
    onset: Series
    middle: Series
    end: Series


def step_between(low: float, high: float) -> float:
    """Return the distance of the middles tried from low to high: half a point, or more points where they are far."""
    return max(_STEP, round((high - low) / _COARSE_STEPS / _STEP) * _STEP)


def make_grid(clock: Series, low: float, high: float, longest: float, rough: bool = False) -> Grid:
    """Make every rise whose middle lies from low to high. Lengths are in points, what lies inside a rise in steps.

    clock: (n_points,), steps. rough: every other length and linear rises alone, enough to see about where a rise is.
    """
    step = step_between(low, high)
    lengths = np.array([length for length in LENGTHS_POINTS if length <= longest])[:: 2 if rough else 1]
    onsets = np.arange(np.ceil((low - longest) / step), np.floor(high / step) + 1) * step
    onset, length = (a.ravel() for a in np.meshgrid(onsets, lengths, indexing="ij"))
    inside = (onset >= 0) & (onset + length <= len(clock) - 1)
    parts = []
    for kind, (_, half) in enumerate(_KINDS[: 1 if rough else None]):
        # Over one point every kind is a step.
        kept = inside & ((length > 1) | (kind == 0))
        middle = _middles(clock, onset[kept], length[kept], half)
        near = (middle >= low - 1e-9) & (middle <= high + 1e-9)
        parts.append((kind, onset[kept][near], length[kept][near], middle[near]))
    return Grid(
        np.vstack([_shapes(clock, kind, onset, length) for kind, onset, length, _ in parts]),
        np.concatenate([onset for _, onset, _, _ in parts]),
        np.concatenate([middle for _, _, _, middle in parts]),
        np.concatenate([onset + length for _, onset, length, _ in parts]),
    )


def _middles(clock: Series, onset: Series, length: Series, half: float) -> Series:
    index = np.arange(len(clock), dtype=np.float64)
    begin, end = np.interp(onset, index, clock), np.interp(onset + length, index, clock)
    middles: Series = np.interp(begin + half * (end - begin), clock, index)
    return middles


def _shapes(clock: Series, kind: int, onset: Series, length: Series) -> Series:
    index = np.arange(len(clock), dtype=np.float64)
    begin, end = np.interp(onset, index, clock), np.interp(onset + length, index, clock)
    share = (clock - begin[:, None]) / np.maximum(end - begin, 1e-9)[:, None]
    share = share.astype(np.float32)  # shapes are many, and none is exact
    return _KINDS[kind][0](share)
