"""Transient rises: the curvature leaves its level for a few rows, far beyond what it else does, and comes back."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import median_filter

from mstudy.core.params import Detect
from mstudy.core.series import Series, median
from mstudy.core.statuses import EventKind
from mstudy.detect.kinds.events import Event, share_of_rise
from mstudy.detect.points import Coarse, Usable, without_spikes
from mstudy.detect.proposals import window_width

_BEYOND_NOISE = 6.0  # robust standard deviations of the other departures


def find_transients(points: Usable, coarse: Coarse, known: list[tuple[float, float]], detect: Detect) -> list[Event]:
    """Return the stretches that stand out from the level by the factor and are left again within a level's width.

    known: onset and end of the rises that are events already. A stretch must have `transient_points` rows, and be one
    of few: the share of the run's stretches of its length that depart half as far is at most alpha.
    """
    departure = _departure(coarse)
    limit = max(math.log(detect.jump_factor), _BEYOND_NOISE * 1.4826 * median(np.abs(departure)))
    if departure.max() < limit:
        return []
    events, taken = [], list(known)
    for first, last in _stretches(departure, limit):
        if _is_rare(departure, first, last, detect.alpha) and last - first <= window_width(len(departure)):
            event = _event(points, coarse, departure, first, last)
            inside = coarse.edges[last] - coarse.edges[first] >= detect.transient_points
            if inside and not any(onset <= event.end and event.onset <= end for onset, end in taken):
                events.append(event)
                taken.append((event.onset, event.end))
    return events


def _departure(coarse: Coarse) -> Series:
    """Return how far each block is from the level around it: the median of two widths on either side."""
    y = coarse.values
    departure: Series = y - median_filter(y, 4 * window_width(len(y)) + 1, mode="nearest")
    return departure


def _stretches(departure: Series, limit: float) -> list[tuple[int, int]]:
    """Return first and last + 1 of each stretch of blocks beyond half of its height, of those that reach the limit."""
    stretches: list[tuple[int, int]] = []
    for top in np.argsort(-departure):
        if departure[top] < limit:
            break
        if any(first <= top <= last for first, last in stretches):
            continue
        low = np.flatnonzero(departure < departure[top] / 2)
        first = int(low[low < top].max(initial=-1)) + 1
        last = int(low[low > top].min(initial=len(departure)))
        if first > 0 and last < len(departure):  # both ends are seen
            stretches.append((first, last))
    return sorted(stretches)


def _is_rare(departure: Series, first: int, last: int, alpha: float) -> bool:
    """Return whether few stretches of this length depart at least half as far, up or down."""
    length = last - first
    n = len(departure) // length
    height = np.abs(departure[: n * length]).reshape(n, length).max(axis=1)
    return float((height >= departure[first:last].max() / 2).mean()) <= max(alpha, 2 / n)


def _event(points: Usable, coarse: Coarse, departure: Series, first: int, last: int) -> Event:
    """Read the rise from the rows: where they reach a tenth, half and nine tenths of the way up."""
    y = without_spikes(points.log_curvature)
    top = first + int(departure[first:last].argmax())
    start, stop = int(coarse.edges[max(first - 1, 0)]), int(coarse.edges[top + 1])
    height = float(departure[top])
    base = float(coarse.values[top]) - height
    risen = (y[start:stop] - base) / height
    onset, middle, end = (start + _reached(risen, share) for share in (0.1, 0.5, 0.9))
    index = np.arange(len(points.steps))
    at = [middle, middle - 0.5, middle + 0.5, onset, max(end, middle)]
    steps = np.interp(at, index, points.steps).tolist()
    duration, share = share_of_rise(points.steps, steps[3], steps[4], slice(start, stop))
    fall = float(points.steps[min(int(coarse.edges[last]), len(points.steps) - 1)])
    return Event(
        steps[0],
        steps[1],
        steps[2],
        steps[3],
        steps[4],
        math.exp(height),
        None,
        EventKind.TRANSIENT,
        duration,
        share,
        fall,
    )


def _reached(risen: Series, share: float) -> float:
    """Return where (as a real number) a share of the way is first reached."""
    k = int((risen >= share).argmax())
    if k == 0:
        return 0.0
    return k - 1 + float(np.clip((share - risen[k - 1]) / (risen[k] - risen[k - 1]), 0.0, 1.0))
