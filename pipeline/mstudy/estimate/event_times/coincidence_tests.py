"""Tests of whether two event times of a pair belong together.

`Times` holds, per block (one batch size and eta_ef), the log steps of both events. Both times depend on the
learning rate and on the phase of training; a test that pools blocks finds that, whether or not one event has to do
with the other. Measured: benchmarks/inference_events.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from mstudy.estimate.event_times.exchange import weight_of

Vector = NDArray[np.float64]
_BLOCK_ERROR_FLOOR = 0.05  # of a block's mean log lag: no block is known better
_ROUNDING = 1e-9  # of a log lag: blocks that differ by less have the same lag


@dataclass(frozen=True)
class Times:
    """Log steps of every pair and the standard errors of both. parting, sharpening, ..._error: (n_pairs,).

    One row a matched opening. block: (n_pairs,) pairs that share SGD runs; cell: (n_pairs,) those of one momentum too;
    place: (n_pairs,) of the opening (pairs.like_with_like); seed, log_eta, log_b: (n_pairs,).
    """

    parting: Vector
    sharpening: Vector
    parting_error: Vector
    sharpening_error: Vector
    block: NDArray[np.int64]
    cell: NDArray[np.int64]
    seed: NDArray[np.int64]
    log_eta: Vector
    log_b: Vector
    place: NDArray[np.int64]

    @property
    def kind(self) -> NDArray[np.int64]:
        """The cell and place of each row, (n_pairs,): a run's second event follows its first, which says nothing."""
        return self.cell * (int(self.place.max(initial=0)) + 1) + self.place

    @property
    def lag(self) -> Vector:
        """The log lag, log(parting / sharpening), (n_pairs,)."""
        return self.parting - self.sharpening

    @property
    def weight(self) -> Vector:
        """The weight of each row, (n_pairs,)."""
        return weight_of(self.parting_error)


@dataclass(frozen=True)
class Lag:
    """Mean log lag over blocks, its standard error and degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return Student's interval."""
        half = float(stats.t.ppf(1 - alpha / 2, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    def p_equivalent(self, tolerance: float) -> float:
        """Return p of two one-sided tests (Schuirmann 1987), null: outside log(1 - tolerance) to log(1 + tolerance)."""
        below = stats.t.sf((np.log1p(tolerance) - self.mean) / self.error, self.freedom)
        above = stats.t.sf((self.mean - np.log1p(-tolerance)) / self.error, self.freedom)
        return float(max(below, above))


def lag_over_blocks(times: Times) -> Lag | None:
    """Estimate the mean lag with random effects over blocks (Paule & Mandel); None if there are fewer than two blocks,
    or if all have the same lag, because the error is then unknown.

    The error comes from each block's own distance from the mean (HC2: MacKinnon & White 1985), because the stated
    variances are bounds: they weigh well, but a block that lies nearer than they say must not be taken for noise. If
    all blocks are equally well dated, the result is the mean with Student's standard error. If few blocks carry the
    mean, n_blocks - 1 degrees of freedom are too many. Those of the weights (1 / sum of squares, less 1) are too few,
    because the weights are uncertain themselves. The degrees of freedom are the mean of both.
    """
    means, variances = block_lags(times)
    if len(means) < 2 or means.std() < _ROUNDING:
        return None
    fit = combine_effects(means, variances, method_re="iterated", use_t=True)
    share, mean = fit.weights_rel_re, float(fit.mean_effect_re)
    error = np.sqrt(np.sum((share * (means - mean)) ** 2 / (1 - share)))
    n_effective = 1 / float((share**2).sum())
    return Lag(mean, float(error), (len(means) + n_effective) / 2 - 1)


def block_lags(times: Times) -> tuple[Vector, Vector]:
    """Return the weighted mean lag of each block and its variance, (n_blocks,) each.

    The variance holds the errors of the times and that of few seeds. The errors of the times are taken to be common to
    the pairs of a block, because a mistaken shape of its gaps is: a gap that opens slowly is dated early, or late, in
    all of them.
    """
    means, variances = [], []
    between = _variance_within(times.lag, times)
    for block in np.unique(times.block):
        inside = times.block == block
        share = times.weight[inside] / times.weight[inside].sum()
        errors = np.hypot(times.parting_error[inside], times.sharpening_error[inside])
        means.append(float(share @ times.lag[inside]))
        variances.append(float(share @ errors) ** 2 + between * float(share @ share) + _BLOCK_ERROR_FLOOR**2)
    return np.array(means), np.array(variances)


def shared_part(times: Times, alpha: float) -> tuple[float, float, float] | None:
    """Return the slope of parting on sharpening within cells and places, with its interval: the shared part.

    The slope is fitted by least squares to deviations from the means; its interval is the jackknife's over blocks, t
    with K - 1. An error in the sharpenings lowers it by their reliability. None with fewer than three blocks that vary.
    """
    x, y = (centred(values, times.kind, times.weight) for values in (times.sharpening, times.parting))
    blocks = [times.block == block for block in np.unique(times.block)]
    weighted = x * times.weight
    sums = np.array([(weighted[b] @ y[b], weighted[b] @ x[b]) for b in blocks]).reshape(-1, 2)
    sums = sums[sums[:, 1] > 1e-12]
    if len(sums) < 3:
        return None
    slope = sums[:, 0].sum() / sums[:, 1].sum()
    without = (sums[:, 0].sum() - sums[:, 0]) / (sums[:, 1].sum() - sums[:, 1])
    k = len(sums)
    error = np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum())
    half = stats.t.ppf(1 - alpha / 2, k - 1) * error
    return float(slope), float(slope - half), float(slope + half)


def reliability(values: Vector, errors: Vector, times: Times) -> float | None:
    """Return the share of the variance within cells and places that is not the events' own error of estimate.

    None without any variance. The share is weighted as the test is: pairs whose parting is hardly dated are no reason
    to doubt the others.
    """
    inside = _cell_sizes(times) > 1
    variance = _variance_within(values, times)
    if not inside.any() or variance == 0:
        return None
    return max(0.0, 1 - float(np.average(errors[inside] ** 2, weights=times.weight[inside])) / variance)


def _variance_within(values: Vector, times: Times) -> float:
    """Return the weighted mean over pairs of the variance within cells; 0 where each cell has one pair."""
    size = _cell_sizes(times)
    inside = size > 1
    if not inside.any():
        return 0.0
    deviation = centred(values, times.kind, times.weight) ** 2 * size / np.maximum(size - 1, 1)
    return float(np.average(deviation[inside], weights=times.weight[inside]))


def _cell_sizes(times: Times) -> NDArray[np.int64]:
    """Count the rows of the cell and place of each row, (n_pairs,)."""
    kinds, counts = np.unique(times.kind, return_counts=True)
    return counts[np.searchsorted(kinds, times.kind)]


def centred(values: Vector, cell: NDArray[np.int64], weight: Vector) -> Vector:
    """Return the deviations from the weighted means of cells, or of other groups of rows, (n_pairs,)."""
    deviations = values.copy()
    for name in np.unique(cell):
        inside = cell == name
        deviations[inside] -= np.average(values[inside], weights=weight[inside])
    return deviations
