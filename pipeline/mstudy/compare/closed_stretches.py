"""Stretches in which a gap is open and closes again, held against what the gap is while it is closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series
from mstudy.pairs.gap import Gap

MIN_POINTS = 20  # logged points of a gap, and before an opening: at first the lag of momentum is known only roughly
_MIN_CLOSED_ROWS = 3  # logged points that tell that a gap has closed, and more where it was open for more
_MAX_OPENINGS = 3  # of one pair that go half as far as one that closes, itself included
_CLOSED_SDS = 3.0  # robust standard deviations within which a gap is closed; it opens to twice that
QUIET_SHARE = 1 / 3  # of the limit: within it nothing of an opening is left


@dataclass(frozen=True)
class Closing:
    """When a gap has closed. margin: within which it is closed for sure, whatever its noise. recurring_gap: share of
    the logged points; what opens again within so many is the same opening, as with a rise."""

    margin: float
    recurring_gap: float


@dataclass(frozen=True)
class Closed:
    """departure: (n_points,) of the gap from where it is closed. limit: within which it is closed.

    stretches: first and last + 1 of the rows of each opening that closes.
    """

    departure: Series
    limit: float
    stretches: list[tuple[int, int]]

    @property
    def without(self) -> NDArray[np.bool_]:
        """The rows that are in no such opening, its beginning and its end included, (n_points,)."""
        quiet, kept = np.abs(self.departure) <= QUIET_SHARE * self.limit, np.ones(len(self.departure), dtype=bool)
        for first, last in self.stretches:
            before, after = np.flatnonzero(quiet[:first]), np.flatnonzero(quiet[last:])
            kept[(before[-1] + 1 if len(before) else 0) : last + (after[0] if len(after) else 0)] = False
        return kept


def closed_stretches(gap: Gap, closed: Gap, by: Closing) -> Closed:
    """Return the openings of a gap that close again. closed: the part of it that tells where it is closed."""
    departure = gap.values - np.median(closed.values)
    spread = float(np.median(np.abs(closed.values - np.median(closed.values))))
    limit = max(by.margin, _CLOSED_SDS * 1.4826 * spread)
    far = np.abs(departure)
    found = [each for each in _stretches(_without_flickers(far, limit), by.recurring_gap) if each[0] >= MIN_POINTS]
    chosen = [each for each in found if far[slice(*each)].max() > 2 * limit and _stands_out(far, limit, each)]
    return Closed(departure, limit, chosen)


def rows_of_early_opening(gap: Gap, by: Closing) -> int:
    """Return how many rows pass until an opening among the first logged points has closed; 0 without one.

    A pair begins with one network, so its gap is closed at zero. The rows that tell that it has closed are not counted.
    """
    far = np.abs(gap.values)
    early = [each for each in _stretches(_without_flickers(far, by.margin), by.recurring_gap) if each[0] < MIN_POINTS]
    return max((last for first, last in early if far[first:last].max() > 2 * by.margin), default=0)


def _stands_out(far: Series, limit: float, stretch: tuple[int, int]) -> bool:
    """Say whether few openings go half as far as this one: where many do, its height is a matter of heavy tails."""
    first, last = stretch
    elsewhere = [run for run in _runs(far > limit) if run[0] >= MIN_POINTS and (run[0] < first or run[0] >= last)]
    half = far[first:last].max() / 2
    return sum(bool(far[slice(*run)].max() >= half) for run in elsewhere) < _MAX_OPENINGS


def _without_flickers(far: Series, limit: float) -> NDArray[np.bool_]:
    """Return where a gap is open, (n_points,), but for one or two rows that are no farther than an opening must go.

    Noise reaches the limit now and then; a long opening would else be followed by such rows and never be closed.
    """
    is_open = far > limit
    for first, last in _runs(is_open):
        if last - first < _MIN_CLOSED_ROWS and far[first:last].max() <= 2 * limit:
            is_open[first:last] = False
    return is_open


def _runs(is_open: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last + 1 of each run of open rows."""
    padded = np.concatenate([[False], is_open, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    return [(first, last) for first, last in edges.tolist()]


def _stretches(is_open: NDArray[np.bool_], recurring_gap: float) -> list[tuple[int, int]]:
    """Return first and last + 1 of each stretch that opens, and is then closed for as many rows, or for three.

    Stretches that are apart by fewer rows, or by fewer than the recurring gap, are one.
    """
    joined: list[tuple[int, int]] = []
    recurring = round(recurring_gap * len(is_open))
    for first, last in _runs(is_open):
        if joined and first - joined[-1][1] < max(recurring, _closing_rows(*joined[-1])):
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return [each for each in joined if len(is_open) - each[1] >= _closing_rows(*each)]


def _closing_rows(first: int, last: int) -> int:
    return max(_MIN_CLOSED_ROWS, last - first)
