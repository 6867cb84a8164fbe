"""The noise of a line whose cells have too few seeds, from neighbouring learning rates.

Second differences of the log ratio on the grid of log eta_ef hold noise, and the bend of the advantage itself, which
can only make them larger. The largest fifth is left out: the advantage bends at its threshold. So the noise is that of
one learning rate beside its neighbours; what all runs of a seed share is not seen, which is why no verdict that rests
on it is `supported`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mstudy.pairs.rate_lines import Line

MIN_CELLS = 8
_BENT_SHARE = 0.2  # of the second differences: so many may hold the bend at the threshold
_N_NEAR = 3  # differences that tell the noise near a cell
# Second differences of white noise correlate by -2/3 and 1/6: 1 + 2 (4/9 + 1/36) of them say as much as one value.
_DIFFERENCES_A_FREEDOM = 1.944
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class RateNoise:
    """sd: (n_rates,) of the mean ratio of each cell, infinite where nothing is compared; freedom: of Student's t."""

    sd: Vector
    freedom: float

    def p_greater(self, mean: Vector, bound: float | Vector) -> Vector:
        """Test each cell, (n_rates,), null: its ratio is at most the bound."""
        return np.asarray(special.stdtr(self.freedom, -(mean - bound) / self.sd))

    def p_equivalent(self, mean: Vector, margin: Vector) -> Vector:
        """Test each cell by two one-sided tests (Schuirmann 1987), null: |ratio| >= margin; (n_rates,) each."""
        return np.maximum(self.p_greater(mean, -margin), self.p_greater(-mean, -margin))

    def half_width(self, alpha: float) -> Vector:
        """Return half of Student's interval of each cell, (n_rates,)."""
        return np.asarray(special.stdtrit(self.freedom, 1 - alpha / 2) * self.sd)


def noise_over_rates(line: Line) -> RateNoise | None:
    """Return the noise of a line; None with fewer than eight cells in which nothing diverged."""
    whole = np.flatnonzero(line.whole)
    if len(whole) < MIN_CELLS:
        return None
    squares = _scaled_squares(np.log(line.eta_ef[whole]), line.mean[whole])
    kept = len(squares) - int(np.ceil(_BENT_SHARE * len(squares)))
    level = float(np.sort(squares)[:kept].mean()) / _trimmed_mean(kept / len(squares))
    padded = np.concatenate([squares[:1], squares, squares[-1:]])  # the ends have no difference of their own
    near = np.convolve(np.pad(padded, _N_NEAR // 2, mode="edge"), np.ones(_N_NEAR) / _N_NEAR, mode="valid")
    sd = np.full(len(line.eta_ef), np.sqrt(max(level, float(near.max()))))
    sd[whole] = np.sqrt(np.maximum(level, near))
    return RateNoise(np.where(line.compared, sd, np.inf), max(kept / _DIFFERENCES_A_FREEDOM, 1.0))


def _scaled_squares(x: Vector, y: Vector) -> Vector:
    """Return the squared distance of each inner cell from the chord of its neighbours, over its variance in noise."""
    share = (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    distance = y[1:-1] - (share * y[:-2] + (1 - share) * y[2:])
    return np.asarray(distance**2 / (1 + share**2 + (1 - share) ** 2))


def _trimmed_mean(share: float) -> float:
    """Return the mean of a squared normal value below its quantile `share`: the integral of z^2 there over share."""
    z = float(special.ndtri((1 + share) / 2))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float((share - 2 * z * density) / share)
