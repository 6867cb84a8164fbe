"""Where the level of a coarse series may have changed: ruptures' exact search in C, and the rise there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import ruptures

from mstudy.core.series import Series, long_run_sd, smooth
from mstudy.detect.levels import rises, window_medians

_MIN_SIDE = 4  # points that a level needs on its side of a change
_MAX_CHANGES = 40
_RISE_LENGTHS = (0, 4, 8, 16)  # points that a rise may take
_MAX_RISE_SHARE = 0.05  # of the series


@dataclass(frozen=True)
class Change:
    """A change between two levels: points before `start` have the old one, points from `end` on the new one."""

    start: int
    end: int
    rise: float  # of the log; negative: a fall


def window_width(n: int) -> int:
    """Return over how many points a level is measured: 2 % of n, at least 8, but 6 where 8 were over 5 % of it."""
    return max(6, n // 50, min(8, n // 20))


def gaps_for(n: int) -> tuple[int, ...]:
    """Return the durations of a change that are tried: at most 5 % of the series, and 4 points in any case."""
    return tuple(gap for gap in _RISE_LENGTHS if gap <= max(4, _MAX_RISE_SHARE * n))


def spans_for(n: int) -> list[tuple[int, int]]:
    """Return the (width, gap) of levels that significance compares: the usual width and twice it, at most n/4.

    The wider tells more in slow or strong noise, the narrower where a level is soon left again.
    """
    width = window_width(n)
    widths = sorted({width, max(width, min(2 * width, n // 4))})
    return [(width, gap) for width in widths for gap in gaps_for(n)]


def longest_rise(n: int) -> float:
    """Return the duration up to which a rise is abrupt: 7 % of the series, and 20 points in any case.

    Adaptive logs have a row at every step of a jump, so a jump of some steps is one of as many points.
    """
    return max(20.0, 0.07 * n)


def propose(y: Series, least: float) -> list[Change]:
    """Propose changes in order of time, apart from each other; the largest rise of the series is always among them.

    Where no level changes by `least` anywhere, it is the only one.
    """
    width, gaps = window_width(len(y)), gaps_for(len(y))
    medians = window_medians(y, width)
    by_gap = {gap: rises(medians, width, gap) for gap in gaps}
    largest = _largest(by_gap, width)
    if max(float(np.abs(values).max()) for values in by_gap.values()) < least:
        return [largest]
    places = [place - width for place in _search(y, width)]
    changes = [_steepest(by_gap, place, max(2, width // 2), width) for place in places]
    return _apart([change for change in [*changes, largest] if change is not None])


def _search(y: Series, width: int) -> list[int]:
    """Find changes of the mean by ruptures' KernelCPD (linear kernel), penalty 4 sigma^2 ln n, long-run sigma.

    The penalty hardly matters: the statistics behind it decide.
    """
    sigma = long_run_sd(y - smooth(y, 2 * width + 1))
    penalty = max(4 * sigma**2 * math.log(len(y)), 1e-9)  # a noiseless series has no sigma, and the search needs one
    search = ruptures.KernelCPD(kernel="linear", min_size=_MIN_SIDE).fit(y[:, None])
    # ruptures ends its list with the number of points, which is no change.
    return [int(change) for change in search.predict(pen=penalty)[:-1]][:_MAX_CHANGES]


def _steepest(by_gap: dict[int, Series], place: int, reach: int, width: int) -> Change | None:
    """Return the change with the largest |rise| near a place (entry of the rises)."""
    best: Change | None = None
    for gap, values in by_gap.items():
        first, last = max(0, place - reach - gap), min(len(values), place + reach + 1)
        if first >= last:
            continue
        k = first + int(np.abs(values[first:last]).argmax())
        # A longer change must earn its length.
        if best is None or abs(values[k]) > 1.1 * abs(best.rise):
            best = Change(k + width, k + width + gap, float(values[k]))
    return best


def _largest(by_gap: dict[int, Series], width: int) -> Change:
    gap = max(by_gap, key=lambda g: float(by_gap[g].max()))
    k = int(by_gap[gap].argmax())
    return Change(k + width, k + width + gap, float(by_gap[gap][k]))


def _apart(changes: list[Change]) -> list[Change]:
    """Keep the largest of neighbouring changes that have the same sign."""
    kept: list[Change] = []
    for change in sorted(changes, key=lambda c: -abs(c.rise)):
        if not any(_touch(change, other) for other in kept):
            kept.append(change)
    return sorted(kept, key=lambda c: c.start)


def _touch(one: Change, other: Change) -> bool:
    near = one.start <= other.end + _MIN_SIDE and one.end >= other.start - _MIN_SIDE
    return one.start == other.start or (near and one.rise * other.rise > 0)
