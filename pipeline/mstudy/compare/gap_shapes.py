"""How likely each onset and kind of shape makes a gap: least squares beside dependent noise, for thousands of shapes.

Shapes: level + height * f((t - onset)+ / scale), f(x) = 1 - exp(-x^power), power 1 to 3, or min(x, 1): hinges that bend
towards a plateau or stop at one, ramps, gaps that begin slowly. A hinge alone dates a gap that opens quadratically too
late, and too surely.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series, local_scale

N_KINDS = 4  # exponential with power 1, 2, 3; ramp
_SHAPES = 5  # those, the ramp twice
_SCALES = np.geomspace(0.005, 4.0, 20)  # shares of the run
_HALF_SCALE_STEP = float((_SCALES[1] / _SCALES[0]) ** 0.5)
_ONSETS_PER_CHUNK = 8  # onsets
_ONSET_STRIDE, _SCALE_STRIDE = 3, 2  # of those are tried until the noise is known
_MIN_LIKELIHOOD = 1e-5  # likelihood against that of the best shape
_MAX_PHI = 0.95
_FITTED = 4  # level, height, onset, scale
_LIKELIHOOD_POWER = 0.75  # of the log likelihood: the noise is estimated and no shape is exact
_SLOW_SHARE = 0.5  # share of the run: the scale from which a beginning of power 2 or 3 is as likely as any other
_CUBIC = 0.85  # prior of power 3 against power 2


@dataclass(frozen=True)
class Noise:
    """Autocorrelation of neighbouring points; scale of the innovations, (n_points - 1,)."""

    phi: float
    scale: Series

    def whiten(self, values: Series) -> Series:
        """Return innovations in units of their scale: (..., n_points) to (..., n_points - 1)."""
        white: Series = (values[..., 1:] - self.phi * values[..., :-1]) / self.scale
        return white

    def adjoint(self, white: Series) -> Series:
        """Apply the transpose of `whiten`, (n_points - 1,) to (n_points,): products with it need no whitened shapes."""
        scaled = white / self.scale
        return np.append(0.0, scaled) - self.phi * np.append(scaled, 0.0)


def noise_of(residual: Series) -> Noise:
    """Estimate the noise, corrected by (k (1 + r) + 2 r)/n for k fitted parameters, as Kendall's for a mean."""
    n = len(residual)
    r = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    phi = min(max(r + (_FITTED * (1 + r) + 2 * r) / n, 0.0), _MAX_PHI)
    return Noise(phi, local_scale(residual[1:] - phi * residual[:-1]))


@dataclass(frozen=True)
class Family:
    """shapes: (n_shapes, n_points), all of one onset together; squares, neighbours: products of them."""

    shapes: Series
    squares: Series
    neighbours: Series

    def rest(self, values: Series, noise: Noise) -> Series:
        """Return the residual sum of squares of each shape beside a level, in units of the noise, (n_shapes,)."""
        ones = noise.whiten(np.ones_like(values))
        level: Series = ones / np.sqrt(ones @ ones)
        white = noise.whiten(values)
        white = white - level * (level @ white)
        inverse = 1 / noise.scale**2
        norms = self.squares @ (np.append(0.0, inverse) + noise.phi**2 * np.append(inverse, 0.0))
        # Both in one pass over the shapes.
        along, explained = (self.shapes @ np.stack([noise.adjoint(level), noise.adjoint(white)], axis=1)).T
        norms = norms - 2 * noise.phi * (self.neighbours @ inverse) - along**2
        explained = explained**2 / np.maximum(norms, 1e-9 * norms.max())
        total = float(white @ white)
        rest: Series = np.maximum(total - explained, 1e-10 * total + 1e-300)
        return rest

    def best_fit(self, values: Series, noise: Noise) -> Series:
        """Return level + height * shape of the likeliest shape, (n_points,)."""
        shape = self.shapes[int(self.rest(values, noise).argmin())]
        columns = np.stack([np.ones_like(values), shape])
        coefficients = np.linalg.lstsq(noise.whiten(columns).T, noise.whiten(values), rcond=None)[0]
        return np.asarray(coefficients @ columns, dtype=np.float64)


def likelihood(steps: Series, onsets: Series, scales: Series, values: Series, noise: Noise) -> Series:
    """Return the likelihood of each onset and kind, relative to the best, (n_onsets, N_KINDS); mean over scales.

    steps, values: (n_points,) of the gap. onsets: (n_onsets,). scales: shares of the run. A few onsets at a time, which
    a processor's cache holds.
    """
    parts = [onsets[start : start + _ONSETS_PER_CHUNK] for start in range(0, len(onsets), _ONSETS_PER_CHUNK)]
    rest = np.concatenate([_family(steps, part, scales).rest(values, noise) for part in parts])
    by_shape = _by_shape(rest, len(values), scales).sum(axis=2)
    by_kind = np.column_stack([by_shape[:, : N_KINDS - 1], by_shape[:, N_KINDS - 1 :].sum(axis=1)])
    relative: Series = by_kind / by_kind.max()
    return relative


def likely(family: Family, onsets: Series, values: Series, noise: Noise) -> tuple[Series, Series]:
    """Return the logged steps among `onsets`, and the scales, about which a coarse family has any likelihood."""
    weights = _by_shape(family.rest(values, noise), len(values), _SCALES[::_SCALE_STRIDE])
    weights = weights / weights.max()
    some_onsets = np.flatnonzero(weights.max(axis=(1, 2)) > _MIN_LIKELIHOOD)
    some_scales = np.flatnonzero(weights.max(axis=(0, 1)) > _MIN_LIKELIHOOD)
    return _around(onsets, some_onsets, _ONSET_STRIDE), _around(_SCALES, some_scales, _SCALE_STRIDE)


def _by_shape(rest: Series, n_points: int, scales: Series) -> Series:
    """Return likelihood times prior, (n_onsets * _SHAPES * n_scales,) to (n_onsets, _SHAPES, n_scales)."""
    weights = np.exp(-_LIKELIHOOD_POWER * (n_points - 1) / 2 * np.log(rest / rest.min()))
    by_shape: Series = weights.reshape(-1, _SHAPES, len(scales)) * _prior(scales)
    return by_shape


def _around(fine: Series, places: NDArray[np.intp], every: int) -> Series:
    """Select those of `fine` around the coarse places, of which the coarse grid has one in `every`."""
    return fine[max(0, every * (int(places[0]) - 1)) : every * (int(places[-1]) + 1) + 1]


def coarse_family(steps: Series, latest: int) -> Family:
    """Make a family of every third logged step but the last `latest` as an onset, and every other scale."""
    return _coarse_family(steps.tobytes(), latest)


@lru_cache(maxsize=4)
def _coarse_family(steps: bytes, latest: int) -> Family:
    """Make it once: every run that was logged at these steps (float64) is first held against it."""
    at = np.frombuffer(steps)
    return _family(at, at[:-latest][::_ONSET_STRIDE], _SCALES[::_SCALE_STRIDE])


def _family(steps: Series, onsets: Series, scales: Series) -> Family:
    widths = (steps[-1] - steps[0]) * scales
    shapes = np.empty((len(onsets), _SHAPES, len(scales), len(steps)))
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
    np.minimum(elapsed * _HALF_SCALE_STEP, 1.0, out=shapes[:, -2])
    np.minimum(elapsed, 1.0, out=elapsed)
    flat = shapes.reshape(-1, len(steps))
    return Family(flat, flat**2, flat[:, 1:] * flat[:, :-1])


def _prior(scales: Series) -> Series:
    """Return the prior of each shape and scale, (_SHAPES, n_scales): a gap that opens at once does not begin slowly.

    A steep gap that did would have its onset a logged step or two before anything is to be seen, and data that cannot
    tell the two apart would date every steep gap early.
    """
    even, slow = np.ones_like(scales), np.minimum(scales / _SLOW_SHARE, 1.0) ** 2
    return np.stack([even, slow, _CUBIC * slow, even / 2, even / 2])
