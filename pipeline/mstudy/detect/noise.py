"""Dependent noise: an autoregression that looks like what a fit has left of it, its innovations resampled.

Heavy tails stay, since innovations are drawn from the run's own. Coefficients and variance are corrected, by simulating
once, for what the fit took from the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from mstudy.core.series import Series
from mstudy.detect.levels import rises, window_means

_ORDER = 4  # filters against period 2 leave more than two lags
_MAX_INFLATION = 3.0  # of the noise, for what the fit took from it
_BURN_IN_POINTS = 100
_CALIBRATION = 25  # series simulated to see what the fit takes from the noise


@dataclass(frozen=True)
class Noise:
    """innovations: resampled. coefficients: (_ORDER,) of the autoregression. inflation: factor for what a fit took."""

    innovations: Series
    coefficients: Series
    inflation: float = 1.0

    def simulate(self, n_series: int, n: int, rng: np.random.Generator) -> Series:
        """Draw stationary series, (n_series, n), in single precision: they are many, and are compared, not measured."""
        places = rng.integers(0, len(self.innovations), size=(n_series, n + _BURN_IN_POINTS), dtype=np.int32)
        drawn = self.innovations.astype(np.float32)[places]
        forward = np.array([self.inflation], dtype=np.float32)
        feedback = np.concatenate([[1.0], -self.coefficients]).astype(np.float32)
        return np.asarray(lfilter(forward, feedback, drawn, axis=-1)[:, _BURN_IN_POINTS:])


def fit_noise(z: Series, design: Series, jumped: bool, rng: np.random.Generator) -> Noise:
    """Fit the noise that a fit of `design` left in z.

    z: (n,). design: (n, n_columns), orthonormal. jumped: whether a jump was fitted as well, at a place of its own.
    """
    raw = _autoregression(z[None])[0]
    left = _left_by(design, Noise(_innovations(z, raw), raw).simulate(_CALIBRATION, len(z), rng), jumped)
    coefficients = _stationary(2 * raw - np.median(_autoregression(left), axis=0))
    noise = Noise(_innovations(z, coefficients), coefficients)
    left = _left_by(design, noise.simulate(_CALIBRATION, len(z), rng), jumped)
    inflation = min(float(np.sqrt(np.mean(z**2) / np.mean(left**2))), _MAX_INFLATION)
    return Noise(noise.innovations, coefficients, inflation)


def _left_by(design: Series, draws: Series, jumped: bool) -> Series:
    """Return what the design leaves of each draw; where `jumped`, also a step at the draw's own largest change."""
    left: Series = draws - (draws @ design) @ design.T
    return _without_step(left, design) if jumped else left


def _without_step(left: Series, design: Series) -> Series:
    """Return the residuals of the design, (m, n), without a step at each one's largest change."""
    n = left.shape[1]
    width = max(8, n // 50)
    place = np.abs(rises(window_means(left, width), width, 0)).argmax(axis=1) + width
    step = (np.arange(n) >= place[:, None]).astype(np.float64)
    step -= (step @ design) @ design.T
    height = (step * left).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12)
    without: Series = left - height[:, None] * step
    return without


def _autoregression(z: Series) -> Series:
    """Estimate Yule-Walker coefficients, (m, n) to (m, _ORDER)."""
    n = z.shape[-1]
    cov = np.stack([(z[:, k:] * z[:, : n - k]).sum(axis=-1) for k in range(_ORDER + 1)], axis=-1)
    cov[:, 0] *= 1 + 1e-9  # else a noiseless series has no solution
    lag = np.abs(np.subtract.outer(np.arange(_ORDER), np.arange(_ORDER)))
    coefficients: Series = np.linalg.solve(cov[:, lag], cov[:, 1:, None])[..., 0]
    return coefficients


def _stationary(coefficients: Series) -> Series:
    """Shrink the coefficients until all roots lie inside a radius of 0.98."""
    roots = np.roots(np.concatenate([[1.0], -coefficients]))
    size = np.abs(roots)
    roots = np.where(size > 0.98, roots / np.maximum(size, 1e-12) * 0.98, roots)
    result: Series = -np.real(np.poly(roots))[1:]
    return result


def _innovations(z: Series, coefficients: Series) -> Series:
    innovations: Series = lfilter(np.concatenate([[1.0], -coefficients]), [1.0], z)[_ORDER:]
    innovations -= innovations.mean()
    return innovations
