"""The largest rise of a run that has this run's trend and noise, but no jump: what a p-value is measured against.

Trend: cubic spline. Noise: autoregression fitted by least squares, corrected for what the spline took from it,
innovations resampled (so heavy tails stay), the local scale kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.signal import lfilter

from mstudy.events.jumps import beyond_doubt
from mstudy.events.series import Series, local_scale

_ORDER = 2  # of the autoregression
_SPLINE = 8  # degrees of freedom of the trend
_BESIDE = 4  # points on either side of a jump
_MAX_INFLATION = 3.0  # of the noise, for what the fit took from it
_BURN_IN = 100


@dataclass(frozen=True)
class Null:
    """series: (n_resamples, n), this run's trend and noise, no jumps. scale: (n,), the noise near each point."""

    series: Series
    scale: Series


def largest_rise(y: Series, scale: Series, width: int, gaps: tuple[int, ...]) -> Series:
    """Largest rise anywhere over any of the gaps, in units of the noise before it; y: (..., n), returns (...,)."""
    medians = window_medians(y, width)
    unit = noise_before(scale, width)
    largest: Series = np.max([(rises(medians, width, gap) / unit[: -gap or None]).max(axis=-1) for gap in gaps], axis=0)
    return largest


def noise_before(scale: Series, width: int) -> Series:
    """The scale in the middle of the window before each boundary: (n,) to (n - 2 width + 1,)."""
    return scale[width // 2 : width // 2 + len(scale) - 2 * width + 1]


def window_medians(y: Series, width: int) -> Series:
    """Median of the `width` values from each index on: (..., n) to (..., n - width + 1)."""
    windows = np.sort(sliding_window_view(y, width, axis=-1), axis=-1)
    middle: Series = (windows[..., (width - 1) // 2] + windows[..., width // 2]) / 2
    return middle


def rises(medians: Series, width: int, gap: int) -> Series:
    """Level from gap after each boundary on, less the level up to it; entry k: the boundary before point k + width."""
    return medians[..., width + gap :] - medians[..., : medians.shape[-1] - width - gap]


def simulate_null(y: Series, spans: Sequence[tuple[int, int]], n_resamples: int, rng: np.random.Generator) -> Null:
    """Series without the jumps.

    y: (n,). spans: about where (start, end) each jump is; time and height are fitted together with the trend.
    """
    spline = _spline(len(y))
    jumps = beyond_doubt(y, spline, spans)
    columns = np.vstack([spline, jumps])
    design = np.linalg.qr(columns.T)[0].T
    residual = y - design.T @ (design @ y)
    # Where a jump is, its shape is known but roughly: what the fit leaves there is not noise.
    beside = _beside(jumps)
    limit = 2 * _robust_sd(residual[~beside])
    clean = np.where(beside, y - residual + np.clip(residual, -limit, limit), y)
    residual = clean - design.T @ (design @ clean)
    trend = np.linalg.lstsq(columns.T, clean, rcond=None)[0][: len(spline)] @ spline
    scale = local_scale(residual)
    noise = _resample(residual / scale, design, len(jumps) > 0, n_resamples, rng)
    return Null(trend + scale * noise, scale)


def _beside(jumps: Series) -> NDArray[np.bool_]:
    """Points at which a jump is under way, or nearly: (n_jumps, n) to (n,)."""
    under_way = np.abs(np.diff(jumps, axis=1, prepend=0.0)).sum(axis=0)
    near: NDArray[np.bool_] = np.convolve(under_way, np.ones(2 * _BESIDE + 1), mode="same") > 1e-9
    return near


def _robust_sd(residual: Series) -> float:
    return 1.4826 * float(np.median(np.abs(residual))) if len(residual) else 0.0


@lru_cache(maxsize=64)
def _spline(n: int) -> Series:
    """Cubic B-splines with even knots, (_SPLINE, n)."""
    inner = np.linspace(0, 1, _SPLINE - 2)
    knots = np.concatenate([[0.0] * 3, inner, [1.0] * 3])
    basis: Series = BSpline.design_matrix(np.linspace(0, 1, n), knots, 3).toarray().T
    return basis


def _resample(z: Series, design: Series, jumped: bool, n_resamples: int, rng: np.random.Generator) -> Series:
    """Autoregressions (n_resamples, n) that look like z after what was done to z: trend, and jumps, taken out."""
    raw = _autoregression(z[None])[0]
    left = _left_by(design, _simulate(z, raw, n_resamples, rng), jumped)
    coefficients = _stationary(2 * raw - np.median(_autoregression(left), axis=0))
    draws = _simulate(z, coefficients, n_resamples, rng)
    left = _left_by(design, draws, jumped)
    result: Series = draws * min(float(np.sqrt(np.mean(z**2) / np.mean(left**2))), _MAX_INFLATION)
    return result


def _left_by(design: Series, draws: Series, jumped: bool) -> Series:
    """What the design, and where `jumped` a step at the draw's own largest change, leave of each draw."""
    left: Series = draws - (draws @ design.T) @ design
    if not jumped:
        return left
    width = max(8, draws.shape[1] // 50)
    place = np.abs(rises(window_medians(draws, width), width, 0)).argmax(axis=1) + width
    step = (np.arange(draws.shape[1]) >= place[:, None]).astype(np.float64)
    step -= (step @ design.T) @ design
    height = (step * left).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
    without: Series = left - height[:, None] * step
    return without


def _autoregression(z: Series) -> Series:
    """Yule-Walker coefficients, (m, n) to (m, _ORDER)."""
    n = z.shape[-1]
    cov = np.stack([(z[:, k:] * z[:, : n - k]).sum(axis=-1) for k in range(_ORDER + 1)], axis=-1)
    r1, r2 = cov[:, 1] / cov[:, 0], cov[:, 2] / cov[:, 0]
    spread = np.maximum(1 - r1**2, 1e-9)
    coefficients: Series = np.stack([r1 * (1 - r2) / spread, (r2 - r1**2) / spread], axis=-1)
    return coefficients


def _stationary(coefficients: Series) -> Series:
    """Roots drawn inside a radius of 0.98."""
    roots = np.roots(np.concatenate([[1.0], -coefficients]))
    size = np.abs(roots)
    roots = np.where(size > 0.98, roots / np.maximum(size, 1e-12) * 0.98, roots)
    result: Series = -np.real(np.poly(roots))[1:]
    return result


def _simulate(z: Series, coefficients: Series, n_resamples: int, rng: np.random.Generator) -> Series:
    innovations = lfilter(np.concatenate([[1.0], -coefficients]), [1.0], z)[_ORDER:]
    innovations = innovations - innovations.mean()
    drawn = innovations[rng.integers(0, len(innovations), size=(n_resamples, len(z) + _BURN_IN))]
    result: Series = lfilter([1.0], np.concatenate([[1.0], -coefficients]), drawn, axis=-1)[:, _BURN_IN:]
    return result
