"""When a gap begins to open: the posterior of its onset, of one pair and of all its cell's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mstudy.compare.gap_shapes import N_KINDS, Noise, coarse_family, likelihood, likely, noise_of
from mstudy.core.series import Series
from mstudy.pairs.gap import Gap

_MAX_POINTS = 128
_LATE_POINTS = 3  # an onset is followed by at least so many
_N_ROUNDS = 3  # of noise and shape, each from the other
_WINSOR = 4.0  # scales beyond which a point says no more
_EARLY_SHARE = 0.05  # share of the run before which the prior is even in steps, after which in log steps
_SPREADS = np.geomspace(0.02, 1.0, 20)  # of the log onsets of a cell's pairs
EVIDENCE_POWER = 0.7  # power of a kind's evidence in all pairs: what no shape fits is common to them
_LOG_STEP = 0.03  # grid of log onsets


@dataclass(frozen=True)
class Evidence:
    """What one pair says of its onset.

    steps: (n_onsets,). by_kind: (n_onsets, N_KINDS), the likelihood of each onset and kind of shape, relative to the
    best. rows: (n_points,), the logged steps.
    """

    steps: Series
    by_kind: Series
    rows: Series

    @property
    def prior(self) -> Series:
        """Return the prior of each onset, (n_onsets,): even in log(step + a twentieth of the run)."""
        if len(self.steps) == 1:
            return np.ones(1)
        prior: Series = np.gradient(self.steps) / (self.steps + _EARLY_SHARE * self.rows[-1])
        return prior


@dataclass(frozen=True)
class Onset:
    """step: posterior median. [low, high]: central interval."""

    step: float
    low: float
    high: float


def weigh_onsets(gap: Gap) -> Evidence:
    """Return how likely each onset is of a gap that is known to open, about 20 points or more."""
    steps, values = _thin(gap)
    family = coarse_family(steps, _LATE_POINTS)
    noise, clean = Noise(0.0, np.ones(len(steps) - 1)), values
    for _ in range(_N_ROUNDS):
        fitted = family.best_fit(clean, noise)
        residual = values - fitted
        limit = _WINSOR * 1.4826 * np.median(np.abs(residual)) + 1e-12
        clean = fitted + np.clip(residual, -limit, limit)
        noise = noise_of(clean - fitted)
    onsets, scales = likely(family, steps[:-_LATE_POINTS], clean, noise)
    onsets = _finer(onsets)
    return Evidence(onsets, likelihood(steps, onsets, scales, clean, noise), steps)


def known_onset(step: float) -> Evidence:
    """Return an onset that needs no estimate: a divergence."""
    return Evidence(np.array([step]), np.ones((1, N_KINDS)), np.array([step]))


def date_onsets(evidence: Sequence[Evidence], level: float = 0.95) -> list[Onset]:
    """Date the onset of each pair of a cell. Its gaps open in one kind of shape, which all pairs together tell.

    An interval reaches at least half-way to the logged step on either side.
    """
    logs = sum((np.log(pair.prior @ pair.by_kind + 1e-300) for pair in evidence), np.zeros(N_KINDS))
    kinds = np.exp(logs - logs.max())
    return [_dated(pair, kinds, level) for pair in evidence]


def typical_onset(evidence: Sequence[Evidence], level: float = 0.95) -> tuple[float, float | None, float | None]:
    """Return median and interval of the typical (median) onset over a cell's pairs; one pair has no interval.

    The pairs' log onsets are normal around it; the prior of their spread is even in its logarithm, from which Student's
    interval follows where onsets are known. Each pair counts by its whole likelihood, so one whose gap opens too slowly
    to be dated does not drag the others along; the kind of shape is one for all.
    """
    ends = [np.log(np.maximum(pair.steps[[0, -1]], 1.0)) for pair in evidence]
    grid = np.arange(min(e[0] for e in ends) - 1, max(e[1] for e in ends) + 1, _LOG_STEP)
    columns = np.concatenate([_on_grid(pair, grid) for pair in evidence], axis=1)
    spread_out = np.log(_kernels(len(grid)) @ columns + 1e-300)  # of all pairs at once: the kernels are large
    by_pair = spread_out.reshape(len(_SPREADS), len(grid), len(evidence), N_KINDS)
    log_posterior = by_pair.sum(axis=2)
    of_kinds = np.exp(log_posterior - log_posterior.max()).sum(axis=0)
    posterior = of_kinds @ np.maximum(of_kinds.sum(axis=0), 1e-300) ** (EVIDENCE_POWER - 1)
    middle, low, high = np.exp(_quantiles(grid, posterior, (0.5, (1 - level) / 2, (1 + level) / 2)))
    return (middle, low, high) if len(evidence) > 1 else (middle, None, None)


@lru_cache(maxsize=256)
def _kernels(n: int) -> Series:
    """Return normal densities between the points of a grid of log onsets, one for each spread, (n_spreads, n, n)."""
    apart = _LOG_STEP * np.subtract.outer(np.arange(n), np.arange(n))
    kernels: Series = np.exp(-0.5 * (apart / _SPREADS[:, None, None]) ** 2) / _SPREADS[:, None, None]
    return kernels


def _dated(evidence: Evidence, kinds: Series, level: float) -> Onset:
    """Date one pair. kinds: posterior of each kind of shape, (N_KINDS,), which this pair's data are part of."""
    steps, rows = evidence.steps, evidence.rows
    if len(steps) == 1:
        return Onset(float(steps[0]), float(steps[0]), float(steps[0]))
    prior = evidence.prior
    own = np.maximum(prior @ evidence.by_kind, 1e-300)
    weights = prior * (evidence.by_kind @ (kinds / own))
    middle, low, high = _quantiles(steps, weights, (0.5, (1 - level) / 2, (1 + level) / 2))
    index = int(np.searchsorted(rows, middle))
    before, after = float(rows[max(index - 1, 0)]), float(rows[min(index + 1, len(rows) - 1)])
    return Onset(middle, min(low, (middle + before) / 2), max(high, (middle + after) / 2))


def _on_grid(evidence: Evidence, grid: Series) -> Series:
    """Return the likelihood at log steps, (n_grid, N_KINDS): interpolated; a known onset stands at its nearest."""
    logs = np.log(np.maximum(evidence.steps, 1.0))
    if len(logs) == 1:
        nearest = np.arange(len(grid)) == np.abs(grid - logs[0]).argmin()
        return np.repeat(nearest[:, None].astype(np.float64), N_KINDS, axis=1)
    columns = [np.interp(grid, logs, column, left=0.0, right=0.0) for column in evidence.by_kind.T]
    return np.stack(columns, axis=1)


def _thin(gap: Gap) -> tuple[Series, Series]:
    """Average neighbours, at the mean of their steps, until at most 128 points are left."""
    size = -(-len(gap.steps) // _MAX_POINTS)
    starts = np.arange(0, len(gap.steps), size)
    counts = np.diff([*starts, len(gap.steps)])
    return np.add.reduceat(gap.steps, starts) / counts, np.add.reduceat(gap.values, starts) / counts


def _finer(onsets: Series) -> Series:
    """Add onsets between the points where few onsets are left."""
    between = max(1, _MAX_POINTS // len(onsets) // 2)
    fine = np.arange(0, len(onsets) - 1 + 1e-9, 1 / min(between, 8))
    return np.asarray(np.interp(fine, np.arange(len(onsets)), onsets))


def _quantiles(at: Series, weights: Series, levels: Sequence[float]) -> list[float]:
    cumulative = np.cumsum(weights) - weights / 2
    return [float(q) for q in np.interp(np.array(levels) * weights.sum(), cumulative, at)]
