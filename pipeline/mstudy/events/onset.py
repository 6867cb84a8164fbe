"""When a gap begins to open: the posterior of its onset over a family of shapes, of one pair and of all its cell's.

Shapes: level + height * f((t - onset)+ / scale), f(x) = 1 - exp(-x^power), power 1 to 3, or min(x, 1): hinges that bend
towards a plateau or stop at one, ramps, gaps that begin slowly. A hinge alone dates a gap that opens quadratically too
late, and too surely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mstudy.events.gap import Gap
from mstudy.events.series import Series, local_scale

_MAX_POINTS = 128
_KINDS = 5
_SCALES = np.geomspace(0.005, 4.0, 20)  # shares of the run
_BETWEEN = float((_SCALES[1] / _SCALES[0]) ** 0.5)
_COARSE = 3  # every so many onsets and other scale are tried until the noise is known
_LATE_POINTS = 3  # an onset is followed by at least so many
_ROUNDS = 3  # of noise and shape, each from the other
_MAX_PHI = 0.95
_FITTED = 4  # level, height, onset, scale
_NEGLIGIBLE = 1e-5  # likelihood against that of the best onset
_WINSOR = 4.0  # scales beyond which a point says no more
_TEMPER = 0.75  # of the log likelihood: the noise is estimated and no shape is exact
_EARLY = 0.05  # share of the run before which the prior is even in steps, after which in log steps
_SPREADS = np.linspace(0.05, 1.0, 20)  # of the seeds' log onsets
_LOG_STEP = 0.03  # grid of log onsets


@dataclass(frozen=True)
class Onset:
    """step: posterior median. [low, high]: central interval. steps, weights: (n_onsets,), the likelihood of each."""

    step: float
    low: float
    high: float
    steps: Series
    weights: Series


@dataclass(frozen=True)
class _Noise:
    """Autocorrelation of neighbouring points; scale of the innovations, (n_points - 1,)."""

    phi: float
    scale: Series

    def whiten(self, values: Series) -> Series:
        """(..., n_points) to (..., n_points - 1): innovations in units of their scale."""
        white: Series = (values[..., 1:] - self.phi * values[..., :-1]) / self.scale
        return white

    def adjoint(self, white: Series) -> Series:
        """The transpose of `whiten`, (n_points - 1,) to (n_points,): products with it need no whitened shapes."""
        scaled = white / self.scale
        return np.append(0.0, scaled) - self.phi * np.append(scaled, 0.0)


@dataclass(frozen=True)
class _Family:
    """onsets: (n_onsets,). shapes: (n_shapes, n_points), all of one onset together; squares, neighbours: products."""

    onsets: Series
    shapes: Series
    squares: Series
    neighbours: Series


def locate_onset(gap: Gap, level: float = 0.95) -> Onset:
    """The onset of a gap that is known to open, about 20 points or more; the interval is at least a point each side."""
    steps, values = _thin(gap)
    onsets = steps[:-_LATE_POINTS]
    family = _coarse_family(steps.tobytes())
    noise, clean = _Noise(0.0, np.ones(len(steps) - 1)), values
    for _ in range(_ROUNDS):
        best = int(_rest(clean, family, noise).argmin())
        fitted = _curve(clean, family.shapes[best], noise)
        residual = values - fitted
        limit = _WINSOR * 1.4826 * np.median(np.abs(residual)) + 1e-12
        clean = fitted + np.clip(residual, -limit, limit)
        noise = _noise_of(clean - fitted)
    likely = np.flatnonzero(_likelihood(clean, family, noise) > _NEGLIGIBLE)
    onsets = _finer(onsets[max(0, _COARSE * (likely[0] - 1)) : _COARSE * (likely[-1] + 1) + 1])
    return _summary(onsets, _likelihood(clean, _family(steps, onsets, _SCALES), noise), steps, level)


def known_onset(step: float) -> Onset:
    """An onset that needs no estimate: a divergence."""
    return Onset(step, step, step, np.array([step]), np.array([1.0]))


def typical_onset(found: Sequence[Onset], level: float = 0.95) -> tuple[float, float | None, float | None]:
    """Median and interval of the typical (median) onset over seeds; of one seed there is no interval.

    The seeds' log onsets are normal around it; their spread has a uniform prior up to 1. Each seed counts by its whole
    likelihood, so one whose gap opens too slowly to be dated does not drag the others along.
    """
    ends = [np.log(np.maximum(onset.steps[[0, -1]], 1.0)) for onset in found]
    grid = np.arange(min(e[0] for e in ends) - 1, max(e[1] for e in ends) + 1, _LOG_STEP)
    kernels = np.exp(-0.5 * ((grid - grid[:, None]) / _SPREADS[:, None, None]) ** 2) / _SPREADS[:, None, None]
    log_posterior = np.zeros((len(_SPREADS), len(grid)))
    for onset in found:
        log_posterior += np.log(kernels @ _on_grid(onset, grid) + 1e-300)
    posterior = np.exp(log_posterior - log_posterior.max()).sum(axis=0)
    middle, low, high = np.exp(_quantiles(grid, posterior, (0.5, (1 - level) / 2, (1 + level) / 2)))
    return (middle, low, high) if len(found) > 1 else (middle, None, None)


def _on_grid(onset: Onset, grid: Series) -> Series:
    """Likelihood at log steps: between the logged steps interpolated, (n_grid,); a known onset at its nearest."""
    logs = np.log(np.maximum(onset.steps, 1.0))
    if len(logs) == 1:
        return np.asarray(np.arange(len(grid)) == np.abs(grid - logs[0]).argmin(), dtype=np.float64)
    return np.asarray(np.interp(grid, logs, onset.weights / onset.weights.max(), left=0.0, right=0.0))


def _thin(gap: Gap) -> tuple[Series, Series]:
    """At most 128 points: means of neighbours, at the mean of their steps."""
    size = -(-len(gap.steps) // _MAX_POINTS)
    starts = np.arange(0, len(gap.steps), size)
    counts = np.diff([*starts, len(gap.steps)])
    return np.add.reduceat(gap.steps, starts) / counts, np.add.reduceat(gap.values, starts) / counts


def _finer(onsets: Series) -> Series:
    """Where few onsets are left, others between the points too."""
    between = max(1, _MAX_POINTS // len(onsets) // 2)
    fine = np.arange(0, len(onsets) - 1 + 1e-9, 1 / min(between, 8))
    return np.asarray(np.interp(fine, np.arange(len(onsets)), onsets))


@lru_cache(maxsize=4)
def _coarse_family(steps: bytes) -> _Family:
    """What every run that was logged at these steps (float64) is first held against."""
    at = np.frombuffer(steps)
    return _family(at, at[:-_LATE_POINTS][::_COARSE], _SCALES[::2])


def _family(steps: Series, onsets: Series, scales: Series) -> _Family:
    widths = (steps[-1] - steps[0]) * scales
    shapes = np.empty((len(onsets), _KINDS, len(scales), len(steps)))
    elapsed = shapes[:, -1]
    np.divide(np.maximum(steps[None, :] - onsets[:, None], 0.0)[:, None, :], widths[None, :, None], out=elapsed)
    curved = shapes[:, :-2]
    curved[:, 0] = elapsed
    for power in (1, 2):
        np.multiply(curved[:, power - 1], elapsed, out=curved[:, power])
    # exp is several times faster than expm1, products than powers; near 0 a shape is 0 to rounding either way.
    np.negative(curved, out=curved)
    np.exp(curved, out=curved)
    np.subtract(1.0, curved, out=curved)
    # Sharp corners ask for scales in between.
    np.minimum(elapsed * _BETWEEN, 1.0, out=shapes[:, -2])
    np.minimum(elapsed, 1.0, out=elapsed)
    flat = shapes.reshape(-1, len(steps))
    return _Family(onsets, flat, flat**2, flat[:, 1:] * flat[:, :-1])


def _likelihood(values: Series, family: _Family, noise: _Noise) -> Series:
    """Of each onset, relative to the best, (n_onsets,): mean over scales and kinds, scale of the noise profiled out."""
    rest = _rest(values, family, noise)
    weights = np.exp(-_TEMPER * (len(values) - 1) / 2 * np.log(rest / rest.min()))
    per_onset = weights.reshape(len(family.onsets), -1).sum(axis=1)
    relative: Series = per_onset / per_onset.max()
    return relative


def _rest(values: Series, family: _Family, noise: _Noise) -> Series:
    """Residual sum of squares of each shape beside a level, in units of the noise, (n_shapes,)."""
    ones = noise.whiten(np.ones_like(values))
    level: Series = ones / np.sqrt(ones @ ones)
    white = noise.whiten(values)
    white = white - level * (level @ white)
    inverse = 1 / noise.scale**2
    norms = family.squares @ (np.append(0.0, inverse) + noise.phi**2 * np.append(inverse, 0.0))
    along = family.shapes @ noise.adjoint(level)
    norms = norms - 2 * noise.phi * (family.neighbours @ inverse) - along**2
    explained = (family.shapes @ noise.adjoint(white)) ** 2 / np.maximum(norms, 1e-9 * norms.max())
    total = float(white @ white)
    rest: Series = np.maximum(total - explained, 1e-10 * total + 1e-300)
    return rest


def _curve(values: Series, shape: Series, noise: _Noise) -> Series:
    """The fitted level + height * shape, (n_points,)."""
    columns = np.stack([np.ones_like(values), shape])
    coefficients = np.linalg.lstsq(noise.whiten(columns).T, noise.whiten(values), rcond=None)[0]
    return np.asarray(coefficients @ columns, dtype=np.float64)


def _noise_of(residual: Series) -> _Noise:
    """Corrected by (k (1 + r) + 2 r)/n for what fitting k parameters took, as Kendall's for a mean."""
    n = len(residual)
    r = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    phi = min(max(r + (_FITTED * (1 + r) + 2 * r) / n, 0.0), _MAX_PHI)
    return _Noise(phi, local_scale(residual[1:] - phi * residual[:-1]))


def _summary(onsets: Series, weights: Series, steps: Series, level: float) -> Onset:
    prior = np.gradient(onsets) / (onsets + _EARLY * steps[-1])
    middle, low, high = _quantiles(onsets, weights * prior, (0.5, (1 - level) / 2, (1 + level) / 2))
    index = int(np.searchsorted(steps, middle))
    before, after = steps[max(index - 1, 0)], steps[min(index + 1, len(steps) - 1)]
    return Onset(middle, min(low, float(before)), max(high, float(after)), onsets, weights)


def _quantiles(at: Series, weights: Series, levels: Sequence[float]) -> list[float]:
    cumulative = np.cumsum(weights) - weights / 2
    return [float(q) for q in np.interp(np.array(levels) * weights.sum(), cumulative, at)]
