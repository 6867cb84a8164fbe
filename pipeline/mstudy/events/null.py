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

_ORDER = 4  # of the autoregression: filters against period 2 leave more than two lags
_SPLINE = 8  # degrees of freedom of the trend
_BESIDE = 4  # points on either side of a jump
_LEVEL = 8  # points that the level on a side of a jump is measured over, at most
_MAX_INFLATION = 3.0  # of the noise, for what the fit took from it
_BURN_IN = 100
_CALIBRATION = 99  # series simulated to see what the fit takes from the noise


@dataclass(frozen=True)
class Null:
    """A run without its jumps. trend, scale: (n,), the fitted trend, and the noise near each point in log curvature.

    design: (n, n_columns), orthonormal columns of the trend. jumped: whether jumps were taken out. innovations:
    resampled. coefficients: of the autoregression. inflation: of the noise, for what the fit took from it.
    """

    trend: Series
    scale: Series
    design: Series
    jumped: bool
    innovations: Series
    coefficients: Series
    inflation: float

    def draw(self, n_resamples: int, rng: np.random.Generator) -> tuple[Series, Series]:
        """Series with this trend and new noise, and the noise near each point as it would be estimated of them.

        Both (n_resamples, n). The noise is what the trend's fit would leave of it: given the fitted trend, the run
        differs from it by that much, and noise in full would count twice the part that the trend has followed.
        """
        noise = _simulate(self.innovations, self.coefficients, n_resamples, len(self.scale), rng)
        noise *= self.scale * self.inflation
        noise -= (noise @ self.design) @ self.design.T
        scale = np.broadcast_to(self.scale, noise.shape) if self.jumped else local_scale(noise)
        noise += self.trend
        return noise, scale


def largest_rise(y: Series, scale: Series, width: int, gaps: tuple[int, ...]) -> Series:
    """Largest rise anywhere over any of the gaps, in units of the noise before it; y: (..., n), returns (...,)."""
    largest: Series = np.max([v.max(axis=-1) for v in noise_units(y, scale, width, gaps).values()], axis=0)
    return largest


def noise_units(y: Series, scale: Series, width: int, gaps: tuple[int, ...]) -> dict[int, Series]:
    """By gap, the rises of the medians of `width` points, in units of the noise before; entries as in `rises`."""
    levels, weight = window_medians(y, width), 1 / noise_before(scale, width)
    by_gap = {}
    for gap in gaps:
        by_gap[gap] = rises(levels, width, gap)
        by_gap[gap] *= weight[..., : -gap or None]
    return by_gap


def noise_before(scale: Series, width: int) -> Series:
    """The scale in the middle of the window before each boundary: (..., n) to (..., n - 2 width + 1)."""
    return scale[..., width // 2 : width // 2 + scale.shape[-1] - 2 * width + 1]


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


def fit_null(y: Series, spans: Sequence[tuple[int, int]], rng: np.random.Generator) -> Null:
    """Trend and noise of a run, its jumps taken out.

    y: (n,). spans: about where (start, end) each jump is; time and height are fitted together with the trend.
    """
    spline = _spline(len(y))
    jumps = beyond_doubt(y, spline, spans)
    columns = np.vstack([spline, jumps])
    design = np.linalg.qr(columns.T)[0]
    residual = y - design @ (design.T @ y)
    # Where a jump is, its shape is known but roughly: what the fit leaves there is not noise.
    beside = _beside(jumps)
    limit = 2 * _robust_sd(residual[~beside])
    clean = np.where(beside, y - residual + np.clip(residual, -limit, limit), y)
    residual = clean - design @ (design.T @ clean)
    trend = _projection(spline, clean - _heights(clean, columns, jumps) @ jumps)
    scale = local_scale(residual)
    noise = _fit_noise(residual / scale, design, len(jumps) > 0, rng)
    return Null(trend, scale, design[:, : len(spline)], len(jumps) > 0, *noise)


def _projection(columns: Series, y: Series) -> Series:
    basis = np.linalg.qr(columns.T)[0]
    projection: Series = basis @ (basis.T @ y)
    return projection


def _heights(y: Series, columns: Series, jumps: Series) -> Series:
    """Of each jump, (n_jumps,), as fitted beside the trend, but no larger than seen there, nor of the other sign.

    A flexible trend may take the jump itself, and more, if a jump the other way makes up for it.
    """
    fitted = np.linalg.lstsq(columns.T, y, rcond=None)[0][len(columns) - len(jumps) :]
    seen = _seen_heights(y, jumps)
    heights: Series = np.clip(fitted, np.minimum(seen, 0), np.maximum(seen, 0))
    return heights


def _seen_heights(y: Series, jumps: Series) -> Series:
    """Median of up to 8 points after each jump less that before it, not beyond the next jump; (n_jumps,)."""
    moving = np.diff(jumps, axis=1) > 0
    starts = [int(row.argmax()) + 1 for row in moving]  # the first point off the old level
    ends = [len(row) - int(row[::-1].argmax()) for row in moving]  # the first on the new one
    heights = []
    for start, end in zip(starts, ends, strict=True):
        first = max([0, start - _LEVEL, *(e for e in ends if e < start)])
        last = min([end + _LEVEL, *(s for s in starts if s > end)])
        heights.append(np.median(y[end:last]) - np.median(y[first:start]))
    return np.array(heights)


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


def _fit_noise(z: Series, design: Series, jumped: bool, rng: np.random.Generator) -> tuple[Series, Series, float]:
    """Innovations, coefficients and inflation of autoregressions that look like z after what was done to z."""
    raw = _autoregression(z[None])[0]
    left = _left_by(design, _simulate(_innovations(z, raw), raw, _CALIBRATION, len(z), rng), jumped)
    coefficients = _stationary(2 * raw - np.median(_autoregression(left), axis=0))
    innovations = _innovations(z, coefficients)
    left = _left_by(design, _simulate(innovations, coefficients, _CALIBRATION, len(z), rng), jumped)
    inflation = min(float(np.sqrt(np.mean(z**2) / np.mean(left**2))), _MAX_INFLATION)
    return innovations, coefficients, inflation


def _left_by(design: Series, draws: Series, jumped: bool) -> Series:
    """What the design, and where `jumped` a step at the draw's own largest change, leave of each draw."""
    left: Series = draws - (draws @ design) @ design.T
    return _without_step(left, design) if jumped else left


def _without_step(left: Series, design: Series) -> Series:
    """Residuals of the design, (m, n), without a step, fitted beside the design, at each one's largest change."""
    n = left.shape[1]
    width = max(8, n // 50)
    place = np.abs(rises(window_means(left, width), width, 0)).argmax(axis=1) + width
    step = (np.arange(n) >= place[:, None]).astype(np.float64)
    step -= (step @ design) @ design.T
    height = (step * left).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
    without: Series = left - height[:, None] * step
    return without


def _autoregression(z: Series) -> Series:
    """Yule-Walker coefficients, (m, n) to (m, _ORDER)."""
    n = z.shape[-1]
    cov = np.stack([(z[:, k:] * z[:, : n - k]).sum(axis=-1) for k in range(_ORDER + 1)], axis=-1)
    cov[:, 0] *= 1 + 1e-9  # else a noiseless series has no solution
    lag = np.abs(np.subtract.outer(np.arange(_ORDER), np.arange(_ORDER)))
    coefficients: Series = np.linalg.solve(cov[:, lag], cov[:, 1:, None])[..., 0]
    return coefficients


def _stationary(coefficients: Series) -> Series:
    """Roots drawn inside a radius of 0.98."""
    roots = np.roots(np.concatenate([[1.0], -coefficients]))
    size = np.abs(roots)
    roots = np.where(size > 0.98, roots / np.maximum(size, 1e-12) * 0.98, roots)
    result: Series = -np.real(np.poly(roots))[1:]
    return result


def _innovations(z: Series, coefficients: Series) -> Series:
    innovations: Series = lfilter(np.concatenate([[1.0], -coefficients]), [1.0], z)[_ORDER:]
    innovations -= innovations.mean()
    return innovations


def _simulate(innovations: Series, coefficients: Series, n_resamples: int, n: int, rng: np.random.Generator) -> Series:
    drawn = innovations[rng.integers(0, len(innovations), size=(n_resamples, n + _BURN_IN))]
    result: Series = lfilter([1.0], np.concatenate([[1.0], -coefficients]), drawn, axis=-1)[:, _BURN_IN:]
    return result
