"""The permutation test of coincidence: whole sets of rises are exchanged between the seeds of a block.

Each exchange is matched anew by the rule of `pairs.like_with_like`, so the size of the test holds whatever the rule is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_STEP_ERROR_FLOOR = 0.1  # of a log step: smaller errors make no difference


def weight_of(error: Vector) -> Vector:
    """Return the weight of openings by how well they are dated; errors well below 10 % make no difference.

    The weight stays with the opening when rises are exchanged, so that exchanges remain alike under the null.
    """
    return 1 / (error**2 + _STEP_ERROR_FLOOR**2)


@dataclass(frozen=True)
class Moments:
    """Numbered moments of runs or pairs, (n_moments,) each: of `pairs.like_with_like`.

    log_step, weight: of each; block, cell, seed: of the run or pair; place, n_passing: its number, and how many passed.
    """

    log_step: Vector
    weight: Vector
    block: NDArray[np.int64]
    cell: NDArray[np.int64]
    seed: NDArray[np.int64]
    place: NDArray[np.int64]
    n_passing: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> Moments:
        """Return the moments chosen, (n_moments,) bool."""
        return Moments(*(values[chosen] for values in vars(self).values()))

    def by_seed(self, seeds: NDArray[np.int64], n_places: int) -> tuple[Vector, Vector, NDArray[np.int64]]:
        """Return log steps (NaN: none) and weights, (n_seeds, n_places), and how many passed, (n_seeds,)."""
        steps, weights = np.full((len(seeds), n_places), np.nan), np.zeros((len(seeds), n_places))
        n_passing = np.zeros(len(seeds), dtype=np.int64)
        known = np.isin(self.seed, seeds)
        row = np.searchsorted(seeds, self.seed[known])
        steps[row, self.place[known]] = self.log_step[known]
        weights[row, self.place[known]] = self.weight[known]
        n_passing[row] = self.n_passing[known]
        return steps, weights, n_passing


def within_blocks(
    openings: Moments, rises: Moments, n_resamples: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the mean distance of a lag from its cell's mean, and p against exchanging rises between seeds.

    The whole sets of rises are exchanged between the seeds of a block that have any, for all momenta at once, since
    these share SGD runs; each exchange is matched anew, by the rule by which the moments are numbered. A lag that is
    the same in a whole cell cancels: how large it is, is the other test's question. None where nothing is matched.
    """
    observed, permuted = np.zeros(2), np.zeros((2, n_resamples))
    n_places = int(max(openings.place.max(initial=0), rises.place.max(initial=0))) + 1
    for block in np.unique(openings.block):
        opened, risen = openings.where(openings.block == block), rises.where(rises.block == block)
        seeds = np.intersect1d(opened.seed, risen.seed)
        orders = np.argsort(rng.random((n_resamples, len(seeds))), axis=1)
        rise, _, n_fell = risen.by_seed(seeds, n_places)
        for cell in np.unique(opened.cell):
            opening, weight, n_closed = opened.where(opened.cell == cell).by_seed(seeds, n_places)
            observed += _distance(_matched_lags(opening, rise, n_closed, n_fell), weight)
            permuted += _distance(_matched_lags(opening, rise[orders], n_closed, n_fell[orders]), weight)
    if observed[1] == 0:
        return None
    mean, means = observed[0] / observed[1], permuted[0] / np.where(permuted[1] > 0, permuted[1], np.nan)
    # An exchange that matches nothing is not as near.
    as_near = int((means <= mean * (1 + 1e-9) + 1e-9).sum())
    return float(mean), (1 + as_near) / (n_resamples + 1)


def _matched_lags(opening: Vector, rise: Vector, n_closed: NDArray[np.int64], n_fell: NDArray[np.int64]) -> Vector:
    """Return the lag at each place, (..., n_seeds, n_places); NaN where nothing is matched."""
    lags = opening - rise
    lags[..., 1:] = np.where((n_closed == n_fell)[..., None], lags[..., 1:], np.nan)
    return lags


def _distance(lags: Vector, weight: Vector) -> Vector:
    """Return the weighted sum of distances from the weighted mean of a cell, and the sum of weights, (2, ...).

    lags: (..., n_seeds, n_places), NaN where there is none.
    """
    used = np.where(np.isnan(lags), 0.0, weight)
    known = np.nan_to_num(lags)
    total = used.sum(axis=(-2, -1))
    centre = (known * used).sum(axis=(-2, -1)) / np.maximum(total, 1e-300)
    return np.stack([(np.abs(known - centre[..., None, None]) * used).sum(axis=(-2, -1)), total])
