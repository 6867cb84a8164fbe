"""Judge proposed changes of the curvature: the demands on size, duration and place of a rise, and its p-value."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from mstudy.core.params import Detect
from mstudy.core.series import Series, median
from mstudy.core.statuses import Refusal
from mstudy.detect.levels import window_medians
from mstudy.detect.p_values import simulate_p_values
from mstudy.detect.proposals import Change, longest_rise, propose, spans_for, window_width
from mstudy.detect.rise.location import Rise, locate
from mstudy.detect.rise.past import Past

_MAX_TIME_ERROR = 8  # blocks by which a proposed time may be wrong
_LEVEL_POINTS = 2  # points on either side of one whose level is asked for
_LONG_BEFORE_WIDTHS = 4  # widths of a level over which the level long before a rise is measured
_FALL_DISTANCE = 1.5  # lengths of a rise in which a fall before it is just before it


@dataclass(frozen=True)
class JudgedChange:
    """What was decided on a proposed change, in blocks of the coarse series.

    reason: why it is no jump, None for one that is. place: where a large and lasting rise is, 99 % interval. p_value:
    None where no change of the series is large enough to be tested. bounds: the blocks that tell of this change alone.
    jump: curvature after / before. recurring: whether the rise is taken back and comes back.
    """

    change: Change
    p_value: float | None
    reason: Refusal | None
    place: Rise | None = None
    bounds: tuple[int, int] = (0, 0)
    jump: float = math.nan
    recurring: bool = False


def judge_rises(y: Series, detect: Detect, rng: np.random.Generator, past: Past | None = None) -> list[JudgedChange]:
    """Judge every proposed change of a coarse series, (n_blocks,), as find_sharpening does, in order of time.

    With the same generator the verdicts are those of find_sharpening; their times are in blocks.
    """
    return judge_changes(y, detect, rng, past)[0]


def judge_changes(
    y: Series, detect: Detect, rng: np.random.Generator, past: Past | None = None
) -> tuple[list[JudgedChange], float | None]:
    """Judge every proposed change. Return the verdicts, and the p-value of the largest rise.

    past: of the log that y was made of; None for a series that has no other rows, at an even cadence.
    If no proposed rise reaches `jump_factor`, none can be accepted. Then the expensive simulation of the null is
    skipped, and the p-value is None.
    """
    n, threshold = len(y), math.log(detect.jump_factor)
    changes = propose(y, threshold)
    if not any(change.rise >= threshold for change in changes):
        return [JudgedChange(change, None, Refusal.SMALL) for change in changes], None
    jumps = [span_of(c) for c in changes if abs(c.rise) >= threshold]
    tested = spans_for(n), detect.resamples, rng
    whole = simulate_p_values(y, jumps, *tested)
    falls = [_next_fall(change, changes, detect.lasting_share, n) for change in changes]
    # Each rise that is taken back may be significant on the run up to there as well: so many more chances.
    looks = 1 + sum(fall < n and change.rise >= threshold for change, fall in zip(changes, falls, strict=True))
    verdicts: list[JudgedChange] = []
    for change, fall in zip(changes, falls, strict=True):
        p_value, place, reason = whole.of(change), None, None
        bounds, jump = bounds_of(change, changes, n), math.nan
        if change.rise < threshold:
            reason = Refusal.SMALL
        elif not _lasts(y, change, detect.lasting_share, fall):
            reason = Refusal.PASSING
        else:
            if p_value > detect.alpha and fall < n:
                stop = max(fall, detect.min_points)
                until = simulate_p_values(y[:stop], [span for span in jumps if span[1] < stop], *tested).of(change)
                p_value = min(p_value, looks * until)
            if p_value > detect.alpha:
                reason = Refusal.LIKE_NOISE
            else:
                place = locate_change(y, change, bounds, 0.99)
                jump = factor_of(y, place)
                reason = _refusal(y, place, detect.lasting_share, past, _risen_before(verdicts, change)) or (
                    Refusal.SMALL if jump < detect.jump_factor else None
                )
        verdicts.append(JudgedChange(change, p_value, reason, place, bounds, jump))
    return verdicts, whole.of_largest()


def _next_fall(change: Change, changes: list[Change], share: float, n: int) -> int:
    """Return where the next fall begins that takes back more of the rise than may be lost (a catapult); else n."""
    falls = [c.start for c in changes if c.start >= change.end and c.rise < -(1 - share) * change.rise]
    return min(falls, default=n)


def _lasts(y: Series, change: Change, share: float, fall: int) -> bool:
    """Return whether the level keeps the stated share of the rise for three widths from the start of the change.

    Or, where a fall takes the rise back (a catapult): until then for a width, and for as long as the rise took.
    """
    width = window_width(len(y))
    before = median(y[change.start - width : change.start])
    later = window_medians(y[change.end : change.start + 4 * width], width)
    if later.min() - before >= share * change.rise:
        return True
    n_raised = int((y[change.start : fall + width] - before >= share * change.rise).sum())
    return fall < len(y) and n_raised >= max(width, change.end - change.start)


def _refusal(y: Series, place: Rise, lasting_share: float, past: Past | None, risen_before: bool) -> Refusal | None:
    """Return why a located rise is no jump; None if it is one.

    It takes long or its middle cannot be told (a drift); the run ends before the new level has lasted as long as the
    rise took; or it only takes back a fall.
    """
    n, length = len(y), place.end - place.onset
    if place.duration > longest_rise(n) or place.spread > window_width(n):
        return Refusal.SLOW
    if place.end + length > n:
        return Refusal.PASSING
    if _rebounds(y, place) or (not risen_before and _leaves_a_cusp(y, place, lasting_share, past)):
        return Refusal.REBOUND
    return None


def _risen_before(verdicts: list[JudgedChange], change: Change) -> bool:
    """Return whether a jump about as high came before: then a fall before this one ends a catapult."""
    return any(v.reason is None and v.change.rise >= 0.5 * change.rise for v in verdicts)


def _rebounds(y: Series, place: Rise) -> bool:
    """Return whether a rise only takes back a fall just before it: it leaves a dip and reaches no new level.

    A rise within the width of a level is short against what it leaves.
    """
    length = place.end - place.onset
    if length <= window_width(len(y)):
        return False
    earlier = np.arange(place.onset - _FALL_DISTANCE * length, place.onset)
    return max(_level_at(y, index) for index in earlier) >= _level_at(y, place.end)


def _leaves_a_cusp(y: Series, place: Rise, share: float, past: Past | None) -> bool:
    """Return whether a rise leads back to the level that the run had long before it, but for its last moment.

    Where curvature passes zero its logarithm has a cusp, and the way out of it is as steep as a jump. Long before: a
    few widths in rows; and for as many steps as the new level is looked at, since a log may be dense near zero.
    """
    width, onset, end = window_width(len(y)), max(int(place.onset), 0), int(np.ceil(place.end))
    first = max(onset - _LONG_BEFORE_WIDTHS * width, 0)
    long_before = median(y[first : onset + 1])
    if past is not None:
        long_before = max(long_before, past.usual_before(first, onset, end + width))
    return (_after(y, end, width) - long_before) / share < math.log(factor_of(y, place))


def _after(y: Series, end: int, width: int) -> float:
    return median(y[end : end + width])


def _level_at(y: Series, index: float) -> float:
    """Return the median of the points around an index."""
    at = min(max(round(index), 0), len(y) - 1)
    return median(y[max(at - _LEVEL_POINTS, 0) : at + _LEVEL_POINTS + 1])


def locate_change(y: Series, change: Change, bounds: tuple[int, int], level: float) -> Rise:
    """Locate a proposed change in a coarse series, in blocks."""
    middles = change.start - _MAX_TIME_ERROR - 0.5, change.end + _MAX_TIME_ERROR - 0.5
    longest = max(4.0, 2.0 * (change.end - change.start) + _MAX_TIME_ERROR)
    return locate(np.arange(len(y), dtype=np.float64), y, middles, longest, bounds, level)


def bounds_of(change: Change, changes: list[Change], n: int) -> tuple[int, int]:
    """Return the range in which there is no other change of at least half the size."""
    others = [c for c in changes if abs(c.rise) >= 0.5 * change.rise]
    earlier = [c.end for c in others if c.end < change.start - 2]
    later = [c.start for c in others if c.start > change.end + 2]
    return max([0, *earlier]), min([n, *later])


def span_of(change: Change) -> tuple[int, int]:
    return change.start, change.end


def factor_of(y: Series, place: Rise) -> float:
    """Return curvature after / before: medians over a width on either side of the rise."""
    width = window_width(len(y))
    onset, end = int(place.onset), int(np.ceil(place.end))
    before, after = y[max(onset - width, 0) : max(onset, 0) + 1], y[end : end + width]
    return math.exp(min(median(after) - median(before), math.log(sys.float_info.max)))
