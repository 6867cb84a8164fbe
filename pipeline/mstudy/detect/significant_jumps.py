"""Jumps that are beyond doubt, and so are no part of the null's trend and noise.

To take out a mere wander as well would make the noise too small and p-values with it; to leave a jump in would make
them too large. So jumps are taken out one by one, the surest first, as long as the innovations show one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mstudy.core.series import Series, local_scale

MIN_STANDARD_ERRORS = (
    4.6  # standard errors of a height: rarely reached by the best of some thousand ramps in mere noise
)
_MAX_TIME_ERROR = 8  # points by which a proposed time may be wrong
_RISE_LENGTHS = (0, 1, 2, 4, 8, 16)  # points between the last one before the jump and the first one after
_MAX_PHI = 0.98


def significant_jumps(y: Series, trend: Series, spans: Sequence[tuple[int, int]]) -> Series:
    """Find the sure jumps; return them as columns from 0 to 1, (n_jumps, n).

    y: (n,). trend: (n_columns, n), fitted beside the jumps. spans: about where (start, end) each jump may be.
    """
    candidates = [_ramps(len(y), start, end) for start, end in spans]
    columns = trend
    while candidates:
        phi = autocorrelation(y, columns)
        timed = [_surest(y, ramps, columns, phi)[1] for ramps in candidates]
        # Once more with the autocorrelation that is left without the jump: a jump looks like strong dependence.
        jumps = [
            _surest(y, ramps, columns, autocorrelation(y, np.vstack([columns, ramps[timing]])))
            for ramps, timing in zip(candidates, timed, strict=True)
        ]
        k = int(np.argmax([errors for errors, _ in jumps]))
        errors, timing = jumps[k]
        if errors < MIN_STANDARD_ERRORS:
            break
        columns = np.vstack([columns, candidates.pop(k)[timing]])
    return columns[len(trend) :]


def _ramps(n: int, start: int, end: int) -> Series:
    """Return every rise from 0 to 1 near (start, end): (n_ramps, n); 0 before its start, 1 from its end on."""
    first = np.arange(max(1, start - _MAX_TIME_ERROR), min(n - 1, end + _MAX_TIME_ERROR) + 1)
    a, length = (grid.ravel()[:, None] for grid in np.meshgrid(first, np.array(_RISE_LENGTHS), indexing="ij"))
    ramps: Series = np.clip((np.arange(n) - a + 1) / (length + 1), 0.0, 1.0)
    return ramps


def autocorrelation(y: Series, columns: Series) -> float:
    """Estimate the autocorrelation at one point of what k columns leave of y, corrected by (k (1 + r) + 2 r)/n.

    For a mean alone this is Kendall's (1 + 3 r)/n.
    """
    residual = y - columns.T @ np.linalg.lstsq(columns.T, y, rcond=None)[0]
    r = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    return min(max(r + (len(columns) * (1 + r) + 2 * r) / len(y), 0.0), _MAX_PHI)


def whiten(y: Series, phi: float) -> Series:
    """Return innovations at one lag, (..., n) to (..., n - 1)."""
    return y[..., 1:] - phi * y[..., :-1]


def _surest(y: Series, ramps: Series, columns: Series, phi: float) -> tuple[float, int]:
    """Return |height| over its standard error of the likeliest ramp beside the columns, and which ramp it is."""
    base, left, white = (whiten(values, phi) for values in (columns, y, ramps))
    # In units of the innovations nearby: a wild phase of a run says nothing about a quiet one.
    unit = local_scale(left - base.T @ np.linalg.lstsq(base.T, left, rcond=None)[0])
    base, left, white = base / unit, left / unit, white / unit
    basis = np.linalg.qr(base.T)[0].T
    left = left - basis.T @ (basis @ left)
    white = white - (white @ basis.T) @ basis
    white = white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9)
    height = white @ left
    best = int(np.abs(height).argmax())
    rest = left - height[best] * white[best]
    return abs(float(height[best])) / max(float(rest.std()), 1e-12), best
