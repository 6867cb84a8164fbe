"""A run that has this run's trend and noise, but no jump: what a p-value is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series, local_scale, median
from mstudy.detect.noise import Noise, fit_noise
from mstudy.detect.trend import trend_and_jumps, without_jumps

_JUMP_MARGIN = 4  # points on either side of a jump


@dataclass(frozen=True)
class Null:
    """A run without its jumps. trend, scale: (n,), the fitted trend, and the noise near each point in log curvature.

    design: (n, n_columns), orthonormal columns of the trend. jumped: whether jumps were taken out.
    """

    trend: Series
    scale: Series
    design: Series
    jumped: bool
    noise: Noise

    def draw(self, n_resamples: int, rng: np.random.Generator) -> tuple[Series, Series]:
        """Draw series with this trend and new noise, and the noise near each point as it would be estimated of them.

        The series are (n_resamples, n); the noise near a point too, or (n,) where jumps were taken out. The noise is
        what the trend's fit would leave of it: given the fitted trend, the run differs from it by that much, and noise
        in full would count twice the part that the trend has followed.
        """
        noise, design = self.noise.simulate(n_resamples, len(self.scale), rng), self.design.astype(np.float32)
        noise *= self.scale
        noise -= (noise @ design) @ design.T
        scale = self.scale.astype(noise.dtype) if self.jumped else local_scale(noise)
        noise += self.trend
        return noise, scale


def fit_null(y: Series, spans: Sequence[tuple[int, int]], rng: np.random.Generator) -> Null:
    """Fit trend and noise of a run, with its jumps taken out.

    y: (n,). spans: about where (start, end) each jump is; time and height are fitted together with the trend.
    """
    spline, jumps = trend_and_jumps(y, spans)
    design = np.linalg.qr(np.vstack([spline, jumps]).T)[0]
    residual = y - design @ (design.T @ y)
    # Where a jump is, its shape is known but roughly: what the fit leaves there is not noise.
    beside = _beside(jumps)
    limit = 2 * _robust_sd(residual[~beside])
    clean = np.where(beside, y - residual + np.clip(residual, -limit, limit), y)
    residual = clean - design @ (design.T @ clean)
    scale, jumped = local_scale(residual), len(jumps) > 0
    noise = fit_noise(residual / scale, design, jumped, rng)
    return Null(without_jumps(clean, spline, jumps), scale, design[:, : len(spline)], jumped, noise)


def _beside(jumps: Series) -> NDArray[np.bool_]:
    """Return at which points a jump is under way, or nearly: (n_jumps, n) to (n,)."""
    under_way = np.abs(np.diff(jumps, axis=1, prepend=0.0)).sum(axis=0)
    near: NDArray[np.bool_] = np.convolve(under_way, np.ones(2 * _JUMP_MARGIN + 1), mode="same") > 1e-9
    return near


def _robust_sd(residual: Series) -> float:
    return 1.4826 * median(np.abs(residual)) if len(residual) else 0.0
