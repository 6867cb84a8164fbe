"""p-values of the rises of a stretch of a run: how often its own null, trend and noise without a jump, rises as far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mstudy.events.null import Null, fit_null, largest_rise, noise_units
from mstudy.events.propose import Change
from mstudy.events.series import Series

_ENOUGH = 10  # larger rises under the null: a p-value that is not small is known well enough
_BATCH = 40  # series under the null at once


@dataclass(frozen=True)
class Significance:
    """heights: by gap, the rise at each place in units of the noise before it. null_rises: the largest of each series
    under the null. complete: as many as asked for; else the last of them is the _ENOUGH-th beyond the run's largest.
    """

    heights: dict[int, Series]
    null_rises: Series
    complete: bool
    width: int

    def of(self, change: Change) -> float:
        """P(largest rise anywhere under the null >= the rise about this change)."""
        near = max(2, self.width // 2)
        first = change.start - self.width - near
        places = slice(max(first, 0), max(first + 2 * near + 1, 0))
        return self._p(max(float(values[places].max(initial=-math.inf)) for values in self.heights.values()))

    def of_largest(self) -> float:
        """P(largest rise anywhere under the null >= the largest rise here): the run as a whole is one test."""
        return self._p(_largest(self.heights))

    def _p(self, height: float) -> float:
        beyond, n = int((self.null_rises >= height).sum()), len(self.null_rises)
        return (1 + beyond) / (n + 1) if self.complete else beyond / n


def weigh(
    y: Series,
    jumps: Sequence[tuple[int, int]],
    width: int,
    gaps: tuple[int, ...],
    n_resamples: int,
    rng: np.random.Generator,
) -> Significance:
    """Fit the null and sample it until _ENOUGH series rise further than this one (Besag & Clifford 1991).

    y: (n,). jumps: about where (start, end) each may be. width, gaps: of the levels compared. n_resamples: at most.
    """
    null = fit_null(y, jumps, rng)
    heights = noise_units(y, null.scale, width, gaps)
    sampled, complete = _sample(null, _largest(heights), width, gaps, n_resamples, rng)
    return Significance(heights, sampled, complete, width)


def _largest(heights: dict[int, Series]) -> float:
    return max(float(values.max(initial=-math.inf)) for values in heights.values())


def _sample(
    null: Null, largest: float, width: int, gaps: tuple[int, ...], n_resamples: int, rng: np.random.Generator
) -> tuple[Series, bool]:
    drawn = np.empty(0)
    while len(drawn) < n_resamples:
        series, scale = null.draw(min(_BATCH, n_resamples - len(drawn)), rng)
        drawn = np.concatenate([drawn, largest_rise(series, scale, width, gaps)])
        beyond = np.flatnonzero(drawn >= largest)
        if len(beyond) >= _ENOUGH:
            return drawn[: beyond[_ENOUGH - 1] + 1], False
    return drawn, True
