"""Jumps that are beyond doubt, and so are no part of the null's trend and noise.

To take out a mere wander as well would make the noise too small and p-values with it; to leave a jump in would make
them too large. So jumps are taken out one by one, the surest first, as long as the innovations show one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series, local_scale, median

MIN_STANDARD_ERRORS = (
    4.4  # standard errors of a height: rarely reached by the best of some thousand ramps in mere noise
)
_MAX_TIME_ERROR = 8  # points by which a proposed time may be wrong
_RISE_LENGTHS = (0, 1, 2, 4, 8, 16)  # points between the last one before the jump and the first one after
_MAX_PHI = 0.98
_MOST_LIKELY = 5  # changes that are looked at once more
_FARTHEST = 3.0  # robust standard deviations that a point's noise is taken to have, at most
_SHORT_ORDER = 3  # of the autoregression that is left beside the first one


def significant_jumps(y: Series, trend: Series, spans: Sequence[tuple[int, int]]) -> Series:
    """Find the sure jumps; return them as columns from 0 to 1, (n_jumps, n).

    y: (n,). trend: (n_columns, n), fitted beside the jumps. spans: about where (start, end) each jump may be.
    """
    candidates = [_ramps(len(y), start, end) for start, end in spans]
    columns = trend
    while candidates:
        beside = _beside(y, columns, whitening_taps(y, columns))
        timed = [_surest(beside, ramps) for ramps in candidates]
        # Once more with the autocorrelation that is left without the jump: a jump looks like strong dependence.
        likely = sorted(range(len(timed)), key=lambda index: -timed[index][0])[:_MOST_LIKELY]
        jumps = {}
        for index in likely:
            taps = whitening_taps(y, np.vstack([columns, candidates[index].row(timed[index][1])]))
            jumps[index] = _surest(_beside(y, columns, taps), candidates[index])
        k = max(jumps, key=lambda index: jumps[index][0])
        errors, timing = jumps[k]
        if errors < MIN_STANDARD_ERRORS:
            break
        columns = np.vstack([columns, candidates.pop(k).row(timing)])
    return columns[len(trend) :]


@dataclass(frozen=True)
class _Ramps:
    """Rises from 0 to 1: 0 before point `first`, 1 after what `part`, (n_ramps, n_points), holds; n points in all."""

    first: int
    part: Series
    n: int

    def row(self, index: int) -> Series:
        """Return one of them, (n,)."""
        after = np.ones(self.n - self.first - self.part.shape[1])
        return np.concatenate([np.zeros(self.first), self.part[index], after])

    def whitened(self, taps: Series) -> Series:
        """Return innovations of each, as `whiten` does: none before `part`, and the same ones all the way after it."""
        part = whiten(self.part, taps)
        white = np.zeros((len(part), self.n - len(taps) + 1))
        white[:, self.first : self.first + part.shape[1]] = part
        white[:, self.first + part.shape[1] :] = whiten(np.ones(len(taps)), taps)
        return white


def _ramps(n: int, start: int, end: int) -> _Ramps:
    """Return every rise from 0 to 1 near (start, end): 0 before its start, 1 from its end on.

    Beside the points at which one of them rises, `part` has those from which innovations there are made.
    """
    starts = np.arange(max(1, start - _MAX_TIME_ERROR), min(n - 1, end + _MAX_TIME_ERROR) + 1)
    a, length = (grid.ravel()[:, None] for grid in np.meshgrid(starts, np.array(_RISE_LENGTHS), indexing="ij"))
    order = _SHORT_ORDER + 1
    first, last = max(int(starts[0]) - 1 - order, 0), min(int(starts[-1]) + max(_RISE_LENGTHS) + order, n)
    return _Ramps(first, np.clip((np.arange(first, last) - a + 1) / (length + 1), 0.0, 1.0), n)


def whitening_taps(y: Series, columns: Series) -> Series:
    """Return the filter, (_SHORT_ORDER + 2,), that makes independent what k columns leave of y.

    Its first factor is the autocorrelation at one point, corrected by (k (1 + r) + 2 r)/n; for a mean alone this is
    Kendall's (1 + 3 r)/n. The other is an autoregression of what that leaves: the filter against period 2 leaves more.
    """
    residual = y - columns.T @ np.linalg.lstsq(columns.T, y, rcond=None)[0]
    limit = _FARTHEST * 1.4826 * median(np.abs(residual)) + 1e-300
    residual = np.clip(residual, -limit, limit)  # what no column fits is not noise
    r = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    phi = min(max(r + (len(columns) * (1 + r) + 2 * r) / len(y), 0.0), _MAX_PHI)
    left = residual[1:] - phi * residual[:-1]
    cov = np.array([left[k:] @ left[: len(left) - k] for k in range(_SHORT_ORDER + 1)])
    cov[0] = cov[0] * (1 + 1e-9) + 1e-300
    lag = np.abs(np.subtract.outer(np.arange(_SHORT_ORDER), np.arange(_SHORT_ORDER)))
    short = np.linalg.solve(cov[lag], cov[1:])
    return np.convolve([1.0, -phi], np.concatenate([[1.0], -short]))


def whiten(y: Series, taps: Series) -> Series:
    """Return innovations, (..., n) to (..., n - _SHORT_ORDER - 1)."""
    n = y.shape[-1] - len(taps) + 1
    white: Series = y[..., len(taps) - 1 :].copy()
    for lag, tap in enumerate(taps[1:].tolist(), start=1):
        start = len(taps) - 1 - lag
        white += tap * y[..., start : start + n]
    return white


@dataclass(frozen=True)
class _Beside:
    """A series made independent by `taps`, in units of its own noise nearby, less what the columns explain of it.

    left, unit: (n_innovations,). basis: (n_columns, n_innovations), orthonormal.
    """

    taps: Series
    unit: Series
    basis: Series
    left: Series


def _beside(y: Series, columns: Series, taps: Series) -> _Beside:
    base, left = whiten(columns, taps), whiten(y, taps)
    # A wild phase of a run says nothing about a quiet one.
    unit = local_scale(left - base.T @ np.linalg.lstsq(base.T, left, rcond=None)[0])
    basis, left = np.linalg.qr((base / unit).T)[0].T, left / unit
    return _Beside(taps, unit, basis, left - basis.T @ (basis @ left))


def _surest(beside: _Beside, ramps: _Ramps) -> tuple[float, int]:
    """Return |height| over its standard error of the likeliest ramp beside the columns, and which ramp it is."""
    white = ramps.whitened(beside.taps)
    white /= beside.unit
    along = white @ beside.basis.T
    norm = np.sqrt(np.maximum(np.einsum("ij,ij->i", white, white) - np.einsum("ij,ij->i", along, along), 1e-18))
    height = (white @ beside.left) / norm
    best = int(np.abs(height).argmax())
    rest = beside.left - height[best] / norm[best] * (white[best] - along[best] @ beside.basis)
    return abs(float(height[best])) / max(float(rest.std()), 1e-12), best
