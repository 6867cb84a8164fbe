"""The noise on either side of a rise: a second-order autoregression and a scale of its own each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series, median

_LARGEST = 0.97  # autocorrelation, and partial one at two points
_FEWEST_POINTS = 10  # fewer on a side: its values are taken for independent


@dataclass(frozen=True)
class RiseNoise:
    """At each point, (n_points,): coefficients at one and two points, and the scale of the innovations."""

    first: Series
    second: Series
    scale: Series

    def whiten(self, y: Series) -> Series:
        """Return innovations over their scale: (..., n) to (..., n); the first two keep the variance of the series."""
        white = y.copy()
        first, second = self.first.astype(y.dtype), self.second.astype(y.dtype)
        white[..., 1:] -= first[1:] * y[..., :-1]
        white[..., 2:] -= second[2:] * y[..., :-2]
        a, b = float(self.first[0]), float(self.second[0])
        lag_one = a / (1 - b)
        white[..., 0] = y[..., 0] * ((1 - lag_one**2) * (1 - b**2)) ** 0.5
        white[..., 1] = (y[..., 1] - lag_one * y[..., 0]) * (1 - b**2) ** 0.5
        white *= (1 / self.scale).astype(y.dtype)
        return white


def independent_noise(scale: float, n: int) -> RiseNoise:
    return RiseNoise(np.zeros(n), np.zeros(n), np.full(n, scale))


def spread(values: Series) -> float:
    return 1.4826 * median(np.abs(values - median(values))) if len(values) else 0.0


def fit_side(residual: Series) -> tuple[float, float, float]:
    """Estimate both coefficients and the scale of the innovations.

    Partial autocorrelations are corrected for their bias: (1 + 3 r)/n at one point (Kendall 1954), (2 + 4 r)/n at two.
    """
    n = len(residual)
    if n < _FEWEST_POINTS:
        return 0.0, 0.0, max(float(np.abs(residual).mean()) * 1.25, 1e-9) if n else 1e-9
    limit = 3 * max(spread(residual), 1e-9)
    r = np.clip(residual - median(residual), -limit, limit)
    power = max(float(r @ r), 1e-12)
    one, two = float(r[1:] @ r[:-1]) / power, float(r[2:] @ r[:-2]) / power
    partial = (two - one**2) / max(1 - one**2, 1e-9)
    one = _bounded(one + (1 + 3 * one) / n)
    partial = _bounded(partial + (2 + 4 * partial) / n)
    a, b = one * (1 - partial), partial
    innovations = r[2:] - a * r[1:-1] - b * r[:-2]
    cut = 2.5 * spread(innovations) + 1e-9
    return a, b, float(np.sqrt(np.mean(np.minimum(np.abs(innovations), cut) ** 2)))


def _bounded(correlation: float) -> float:
    return min(max(correlation, -_LARGEST), _LARGEST)
