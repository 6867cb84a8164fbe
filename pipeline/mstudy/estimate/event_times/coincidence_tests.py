"""Tests of whether two event times of a pair belong together: those that decide, and those that must not.

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

Vector = NDArray[np.float64]
_NO_MATTER = 0.1  # errors of a log step below it make no difference
_KNOWN = 0.05  # the same of a block's mean lag


@dataclass(frozen=True)
class Times:
    """Log steps of every pair and the standard errors of both. parting, sharpening, ..._error: (n_pairs,).

    block: (n_pairs,) pairs that share SGD runs; cell: (n_pairs,) those of one momentum too; seed, log_eta, log_b:
    (n_pairs,).
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

    @property
    def lag(self) -> Vector:
        """log(parting / sharpening), (n_pairs,)."""
        return self.parting - self.sharpening

    @property
    def weight(self) -> Vector:
        """Of a pair, by how well its parting is dated, (n_pairs,); errors well below 10 % make no difference.

        It stays with the parting when sharpenings are exchanged, so that exchanges remain alike under the null.
        """
        return 1 / (self.parting_error**2 + _NO_MATTER**2)


def within_blocks(times: Times, n_resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean distance of the lag from its cell's mean, and p against exchanging sharpenings between a block's seeds.

    One exchange for all momenta of a block, which share SGD runs. A lag that is the same in a whole cell cancels: how
    large it is, is the other test's question.
    """
    observed = 0.0
    permuted = np.zeros(n_resamples)
    for block in np.unique(times.block):
        inside = np.flatnonzero(times.block == block)
        seeds, index = np.unique(times.seed[inside], return_inverse=True)
        sharpening = np.zeros(len(seeds))
        sharpening[index] = times.sharpening[inside]
        orders = np.argsort(rng.random((n_resamples, len(seeds))), axis=1)
        for cell in np.unique(times.cell[inside]):
            of_cell = times.cell[inside] == cell
            parting, weight, own = times.parting[inside][of_cell], times.weight[inside][of_cell], index[of_cell]
            observed += float(_distance(parting - sharpening[own], weight))
            permuted += _distance(parting - sharpening[orders][:, own], weight)
    p_value = (1 + int((permuted <= observed * (1 + 1e-9) + 1e-9).sum())) / (n_resamples + 1)
    return observed / float(times.weight.sum()), p_value


def _distance(lags: Vector, weight: Vector) -> Vector:
    """Weighted sum of distances from the weighted mean along the last axis."""
    centre = (lags @ weight)[..., None] / weight.sum()
    return np.asarray(np.abs(lags - centre) @ weight)


@dataclass(frozen=True)
class Lag:
    """Mean log lag over blocks, its standard error and degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def interval(self, alpha: float) -> tuple[float, float]:
        """Student's interval."""
        half = float(stats.t.ppf(1 - alpha / 2, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    def p_equivalent(self, tolerance: float) -> float:
        """Two one-sided tests (Schuirmann 1987) that it is between log(1 - tolerance) and log(1 + tolerance)."""
        below = stats.t.sf((np.log1p(tolerance) - self.mean) / self.error, self.freedom)
        above = stats.t.sf((self.mean - np.log1p(-tolerance)) / self.error, self.freedom)
        return float(max(below, above))


def lag_over_blocks(times: Times) -> Lag | None:
    """Random effects over blocks (Paule & Mandel); None with fewer than two blocks.

    The error is from each block's own distance from the mean (HC2: MacKinnon & White 1985), for the stated variances
    are bounds: they weigh well, but a block that lies nearer than they say must not be taken for noise. With blocks
    that are equally well dated it is the mean with Student's standard error. Where few blocks carry the mean,
    n_blocks - 1 degrees of freedom are too many, and those of the weights (1 / sum of squares, less 1) too few, for
    the weights are uncertain themselves: it has half of both.
    """
    means, variances = block_lags(times)
    if len(means) < 2 or means.std() == 0:
        return None
    found = combine_effects(means, variances, method_re="iterated", use_t=True)
    share, mean = found.weights_rel_re, float(found.mean_effect_re)
    error = np.sqrt(np.sum((share * (means - mean)) ** 2 / (1 - share)))
    carried = 1 / float((share**2).sum())
    return Lag(mean, float(error), (len(means) + carried) / 2 - 1)


def block_lags(times: Times) -> tuple[Vector, Vector]:
    """Weighted mean lag of each block and its variance, (n_blocks,) each: errors of the times, and that of few seeds.

    The errors of a block are taken to be common to its pairs, as one is that mistakes the shape of its gaps: a gap that
    opens slowly is dated early, or late, in all of them. Nothing is known better than to _KNOWN.
    """
    means, variances = [], []
    between = _variance_within(times.lag, times)
    for block in np.unique(times.block):
        inside = times.block == block
        share = times.weight[inside] / times.weight[inside].sum()
        errors = np.hypot(times.parting_error[inside], times.sharpening_error[inside])
        means.append(float(share @ times.lag[inside]))
        variances.append(float(share @ errors) ** 2 + between * float(share @ share) + _KNOWN**2)
    return np.array(means), np.array(variances)


def equivalence(lags: Vector, tolerance: float) -> float | None:
    """Two one-sided t tests (Schuirmann 1987): the mean lag is between log(1 - tolerance) and log(1 + tolerance)."""
    if len(lags) < 2 or lags.std(ddof=1) == 0:
        return None
    error = lags.std(ddof=1) / len(lags) ** 0.5
    below = stats.t.sf((np.log1p(tolerance) - lags.mean()) / error, len(lags) - 1)
    above = stats.t.sf((lags.mean() - np.log1p(-tolerance)) / error, len(lags) - 1)
    return float(max(below, above))


def shared_part(times: Times, alpha: float) -> tuple[float, float, float] | None:
    """Slope of parting on sharpening within cells, with its interval: the part of a seed's deviation that is shared.

    Least squares on deviations from cell means; interval by the jackknife over blocks, t with K - 1. An error in the
    sharpenings lowers it by their reliability. None with fewer than three blocks that vary.
    """
    x, y = (centred(values, times.cell, times.weight) for values in (times.sharpening, times.parting))
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
    """Share of the variance within cells that is not the events' own error of estimate; None without any variance.

    Weighted as the test is: pairs whose parting is hardly dated are no reason to doubt the others.
    """
    inside = _cell_sizes(times) > 1
    variance = _variance_within(values, times)
    if not inside.any() or variance == 0:
        return None
    return max(0.0, 1 - float(np.average(errors[inside] ** 2, weights=times.weight[inside])) / variance)


def _variance_within(values: Vector, times: Times) -> float:
    """Weighted mean over pairs of the variance within cells; 0 where each cell has one pair."""
    size = _cell_sizes(times)
    inside = size > 1
    if not inside.any():
        return 0.0
    deviation = centred(values, times.cell, times.weight) ** 2 * size / np.maximum(size - 1, 1)
    return float(np.average(deviation[inside], weights=times.weight[inside]))


def _cell_sizes(times: Times) -> NDArray[np.int64]:
    """Pairs in the cell of each pair, (n_pairs,)."""
    cells, counts = np.unique(times.cell, return_counts=True)
    return counts[np.searchsorted(cells, times.cell)]


def centred(values: Vector, cell: NDArray[np.int64], weight: Vector) -> Vector:
    """Deviations from the weighted means of cells, (n_pairs,)."""
    left = values.copy()
    for each in np.unique(cell):
        inside = cell == each
        left[inside] -= np.average(values[inside], weights=weight[inside])
    return left


def pooled_spearman(times: Times) -> tuple[float, float] | None:
    """Refused. Rank correlation over all pairs."""
    if len(times.parting) < 3 or np.ptp(times.parting) == 0 or np.ptp(times.sharpening) == 0:
        return None
    found = stats.spearmanr(times.parting, times.sharpening)
    return float(found.statistic), float(found.pvalue)


def partial_spearman(times: Times) -> tuple[float, float] | None:
    """Refused. Rank correlation over all pairs, ranks of eta_ef and of b regressed out; t with n - 2 - k."""
    if len(times.parting) < 4:
        return None
    ranks = [stats.rankdata(v) for v in (times.parting, times.sharpening, times.log_eta, times.log_b)]
    controls = np.column_stack([np.ones(len(ranks[0])), *(r for r in ranks[2:] if np.ptp(r) > 0)])
    freedom = len(ranks[0]) - 1 - controls.shape[1]
    if freedom < 1:
        return None
    left = [r - controls @ np.linalg.lstsq(controls, r, rcond=None)[0] for r in ranks[:2]]
    norms = np.linalg.norm(left[0]) * np.linalg.norm(left[1])
    if norms < 1e-9:
        return None
    r = float(np.clip(left[0] @ left[1] / norms, -1 + 1e-12, 1 - 1e-12))
    return r, float(2 * stats.t.sf(abs(r) * np.sqrt(freedom / (1 - r**2)), freedom))


def pooled_permutation(times: Times, n_resamples: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Refused. Mean |log lag|, sharpenings exchanged between all pairs."""
    if len(times.parting) < 3:
        return None
    observed = np.abs(times.lag).mean()
    orders = np.argsort(rng.random((n_resamples, len(times.parting))), axis=1)
    permuted = np.abs(times.parting - times.sharpening[orders]).mean(axis=1)
    return float(observed), (1 + int((permuted <= observed + 1e-9).sum())) / (n_resamples + 1)
