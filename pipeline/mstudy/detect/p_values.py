"""p-values of the rises of a stretch of a run: how often its own null, trend and noise without a jump, rises as far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series
from mstudy.detect.levels import Rises, noise_units
from mstudy.detect.null import Null, fit_null
from mstudy.detect.proposals import Change

MIN_LARGER_DRAWS = 10  # larger rises under the null: a p-value that is not small is known well enough
_BATCH = 40  # series under the null at once


@dataclass(frozen=True)
class Significance:
    """heights: (n_places,), by boundary the largest rise over any span, in units of the noise before it, standardised.

    Standardised: less the mean of the null's largest rises over the same span, over their standard deviation.
    null_heights: the largest of each series under the null. complete: as many as asked for; else the last of them is
    the _ENOUGH-th beyond the run's largest. width: of the narrowest level; place k is the boundary before k + width.
    """

    heights: Series
    null_heights: Series
    complete: bool
    width: int

    def of(self, change: Change) -> float:
        """Return P(largest height anywhere under the null >= the height about this change)."""
        near = max(2, self.width // 2)
        first = change.start - self.width - near
        places = slice(max(first, 0), max(first + 2 * near + 1, 0))
        return self._p(float(self.heights[places].max(initial=-math.inf)))

    def of_largest(self) -> float:
        """Return P(largest height anywhere under the null >= the largest here): the run as a whole is one test."""
        return self._p(float(self.heights.max()))

    def _p(self, height: float) -> float:
        beyond, n = int((self.null_heights >= height).sum()), len(self.null_heights)
        return (1 + beyond) / (n + 1) if self.complete else beyond / n


def simulate_p_values(
    y: Series,
    jumps: Sequence[tuple[int, int]],
    spans: Sequence[tuple[int, int]],
    n_resamples: int,
    rng: np.random.Generator,
) -> Significance:
    """Fit the null and sample it until _ENOUGH series rise further than this one (Besag & Clifford 1991).

    y: (n,). jumps: about where (start, end) each may be. spans: the (width, gap) of the levels compared; what counts
    is how far a rise is beyond the mean of the null's largest ones over the same span, in standard deviations of
    theirs, so that none of the spans drowns the others; spans that do not fit into y are left out. n_resamples: at
    most.
    """
    null = fit_null(y, jumps, rng)
    spans = [(width, gap) for width, gap in spans if 2 * width + gap < len(y)]
    first = _null_rises(null, spans, min(_BATCH, n_resamples), rng)
    usual = _Usual({span: (float(rises.mean()), max(float(rises.std()), 1e-12)) for span, rises in first.items()})
    heights = usual.highest(noise_units(y, null.scale, spans))
    drawn, complete = usual.highest(first), False
    while len(beyond := np.flatnonzero(drawn >= heights.max())) < MIN_LARGER_DRAWS and not complete:
        more = _null_rises(null, spans, min(_BATCH, n_resamples - len(drawn)), rng)
        drawn = np.concatenate([drawn, usual.highest(more)])
        complete = len(drawn) == n_resamples
    if len(beyond) >= MIN_LARGER_DRAWS:
        drawn, complete = drawn[: beyond[MIN_LARGER_DRAWS - 1] + 1], False
    return Significance(heights, drawn, complete, min(width for width, _ in spans))


@dataclass(frozen=True)
class _Usual:
    """By (width, gap), mean and standard deviation of the null's largest rises."""

    largest: dict[tuple[int, int], tuple[float, float]]

    def highest(self, rises: Rises) -> Series:
        """Return the largest standardised rise over the spans, entry by entry; shorter spans end earlier."""
        highest = np.full(max(len(values) for values in rises.values()), -np.inf)
        for span, values in rises.items():
            mean, sd = self.largest[span]
            part = highest[: len(values)]
            np.maximum(part, (values - mean) / sd, out=part)
        return highest


def _null_rises(null: Null, spans: Sequence[tuple[int, int]], n_series: int, rng: np.random.Generator) -> Rises:
    """Return, by (width, gap), the largest rise of each series under the null, (n_series,)."""
    series, scale = null.draw(n_series, rng)
    return {span: rises.max(axis=-1) for span, rises in noise_units(series, scale, spans).items()}
