"""Variances that cells lend each other, where few seeds say little of each: moderated variances (Smyth 2004).

How far the variances of a group differ beyond chance decides how much is lent: where cells really differ, nothing;
where they agree, each has nearly the freedom of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Vector = NDArray[np.float64]
_MIN_VARIANCE = 1e-18  # of a log ratio: below it the values have no spread
_LARGEST_LOG_FREEDOM = 12.0  # exp of it: more degrees of freedom than any table has


@dataclass(frozen=True)
class Spread:
    """Variances of the cells of one group and their degrees of freedom, (n_cells,); freedom 0: not known."""

    variance: Vector
    freedom: Vector

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return the cells that have a variance."""
        return np.asarray((self.freedom > 0) & (self.variance > _MIN_VARIANCE))

    @property
    def logs(self) -> Vector:
        """Return log variances of the known cells, free of the bias that the log has at few degrees of freedom."""
        half = self.freedom[self.known] / 2
        return np.asarray(np.log(self.variance[self.known]) - special.digamma(half) + np.log(half))


def moderated(groups: Sequence[Spread]) -> list[Spread]:
    """Return the groups with variances drawn towards the typical one of their group, and the freedom of these.

    A group's typical variance is its own; how much cells differ within a group is common to all groups. The freedom is
    at most twice that of the cell, and at most that of all cells of the group. A cell without a variance, or without
    another in its group, stays as it is.
    """
    prior = _prior_freedom([group for group in groups if group.known.sum() > 1])
    return [_drawn(group, prior) if prior > 0 and group.known.sum() > 1 else group for group in groups]


def p_equivalent_pooled(samples: NDArray[np.float64], spread: Spread, margin: float | Vector) -> Vector:
    """Test each row by two one-sided tests with a variance from elsewhere, null: |mean| >= margin.

    samples: (n_cells, n_seeds), NaN for absent seeds. margin: one, or (n_cells,). NaN where no variance is known.
    """
    n = (~np.isnan(samples)).sum(axis=1)
    mean = np.nansum(samples, axis=1) / np.maximum(n, 1)
    error = np.sqrt(np.where(spread.known, spread.variance, 1.0) / np.maximum(n, 1))
    p = special.stdtr(np.where(spread.known, spread.freedom, 1.0), (np.abs(mean) - margin) / error)
    return np.where(spread.known, p, np.nan)


def _prior_freedom(groups: Sequence[Spread]) -> float:
    """Return how many degrees of freedom a group's typical variance is worth, from how far log variances differ.

    Their variance within groups is trigamma(freedom / 2), and trigamma(prior / 2) of real differences.
    """
    if not groups:
        return 0.0
    squares = sum(float(((group.logs - group.logs.mean()) ** 2).sum()) for group in groups)
    by_chance = [special.polygamma(1, group.freedom[group.known] / 2).mean() for group in groups]
    counts = np.array([group.known.sum() - 1 for group in groups])
    excess = squares / counts.sum() - float(np.average(by_chance, weights=counts))
    return 2 * _inverse_trigamma(excess)


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value: very large where the value is not above zero, zero where it is very large."""
    low, high = -_LARGEST_LOG_FREEDOM, _LARGEST_LOG_FREEDOM
    if value <= special.polygamma(1, np.exp(high)):
        return float(np.exp(high))
    if value >= special.polygamma(1, np.exp(low)):
        return 0.0
    return float(np.exp(optimize.brentq(lambda log_x: special.polygamma(1, np.exp(log_x)) - value, low, high)))


def _drawn(group: Spread, prior: float) -> Spread:
    """Return the variances drawn towards the group's typical one, which counts as `prior` degrees of freedom.

    It never counts for more than a cell's own seeds: how much cells differ is itself estimated, and from few of them.
    """
    typical = np.exp(group.logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    lent = np.minimum(prior, group.freedom)
    freedom = np.minimum(group.freedom + lent, group.freedom[group.known].sum())
    variance = (lent * typical + group.freedom * group.variance) / np.maximum(lent + group.freedom, 1.0)
    return Spread(np.where(group.known, variance, group.variance), np.where(group.known, freedom, 0.0))
