"""Abrupt sharpening: lasting jumps of the curvature of one run, or an honest "none".

ruptures proposes changes of log curvature; the effect filter (a rise by a stated factor, within a few points, that
lasts) and the run's own null (its trend and noise without a jump) decide. Method and limits: docs/methods.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mstudy.core.errors import ConfigError
from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.detect.levels import window_medians
from mstudy.detect.p_values import weigh
from mstudy.detect.points import Coarse, Usable, coarsen, usable_points
from mstudy.detect.proposals import Change, longest_rise, propose, spans_for, window_width
from mstudy.detect.rise_time import Rise, locate

DETECTED, NONE, TOO_SHORT, NO_CURVATURE = "detected", "none", "too_short", "no_curvature"
# Why a proposed change is no jump.
SMALL, PASSING, LIKE_NOISE, SLOW, REBOUND = "small", "passing", "like_noise", "slow", "rebound"
_SLACK = 8  # blocks by which a proposed time may be wrong
_MANY_BLOCKS = 4  # a rise over more is known well enough without full resolution ...
_MANY_POINTS = 40  # ... unless its points, of which a block of a dense stretch has many, show a shorter one
_AROUND = 2  # points on either side of one whose level is asked for
_BEFORE = 1.5  # lengths of a rise in which a fall before it is just before it
_LEVEL = 0.95  # of the interval


@dataclass(frozen=True)
class Event:
    """One jump. step: the middle of its rise; [step_low, step_high]: 95 % interval; jump: curvature after / before."""

    step: float
    step_low: float
    step_high: float
    onset: float
    end: float
    jump: float
    p_value: float


@dataclass(frozen=True)
class Sharpening:
    """The verdict on one run.

    events: in order of time. p_value: of the first event, else of the largest rise anywhere, against the run's own
    null; None where nothing is tested: the log is too short, or no rise reaches the factor. followup_step: last step
    at which a jump would have been seen. n_points: logged points used.
    """

    status: str
    n_points: int
    events: tuple[Event, ...] = ()
    p_value: float | None = None
    followup_step: float | None = None


def find_sharpening(
    steps: ArrayLike,
    curvature: ArrayLike,
    loss: ArrayLike,
    detect: Detect | None = None,
    rng: np.random.Generator | None = None,
) -> Sharpening:
    """Find the abrupt sharpenings of a run.

    steps, curvature, loss: (n_rows,), the log in order; NaN curvature means not measured. A non-positive curvature
    has no logarithm and is left out; so is the explosive tail of a run whose loss ends above where it began.
    detect: parameters; by default those shipped. rng: draws the null; by default seeded with `detect.seed`.
    Raises ConfigError where the three are not series of one length with increasing steps.

    Example:
        >>> import mstudy, numpy as np
        >>> steps = np.arange(300)
        >>> noise = np.exp(0.1 * np.random.default_rng(0).normal(size=300))
        >>> found = mstudy.find_sharpening(steps, np.where(steps < 120, 1.0, 20.0) * noise, np.ones(300))
        >>> str(found.status), 115 < found.events[0].step < 125
        ('detected', True)
    """
    detect = detect or Detect()
    rng = np.random.default_rng(detect.seed) if rng is None else rng
    return _find_sharpening(*_as_series(steps, curvature, loss), detect, rng)


def _as_series(steps: ArrayLike, *columns: ArrayLike) -> tuple[NDArray[np.int64], Series, Series]:
    """Return steps, curvature and loss as arrays. Raises ConfigError."""
    at, (curvature, loss) = np.asarray(steps), (np.asarray(column, dtype=np.float64) for column in columns)
    if at.ndim != 1 or not at.shape == curvature.shape == loss.shape:
        raise ConfigError(
            f"steps, curvature and loss must be series of one length, found the shapes {at.shape}, {curvature.shape} "
            f"and {loss.shape}."
        )
    if (np.diff(at) <= 0).any():
        raise ConfigError("steps must increase from row to row, found a step that does not.")
    return at.astype(np.int64), curvature, loss


def _find_sharpening(
    steps: NDArray[np.int64], curvature: Series, loss: Series, detect: Detect, rng: np.random.Generator
) -> Sharpening:
    if not np.isfinite(curvature).any():
        return Sharpening(NO_CURVATURE, 0)
    points = usable_points(steps, curvature, loss)
    n_points = len(points.steps)
    if n_points < detect.min_points:
        return Sharpening(TOO_SHORT, n_points)
    coarse = coarsen(points)
    if len(coarse.values) < detect.min_points:
        return Sharpening(TOO_SHORT, n_points)
    verdicts, p_value = _judge(coarse.values, detect, rng)
    changes = [verdict.change for verdict in verdicts]
    events = tuple(_event(points, coarse, v, changes) for v in verdicts if v.reason is None)
    width = window_width(len(coarse.values))
    return Sharpening(
        DETECTED if events else NONE,
        n_points,
        events,
        events[0].p_value if events else p_value,
        float(points.steps[coarse.edges[len(coarse.values) - width]]),
    )


@dataclass(frozen=True)
class Verdict:
    """What was decided on a proposed change, in blocks of the coarse series.

    reason: why it is no jump, None for one that is. place: where a large and lasting rise is, 99 % interval. p_value:
    None where no change of the series is large enough to be tested.
    """

    change: Change
    p_value: float | None
    reason: str | None
    place: Rise | None = None


def judge_rises(y: Series, detect: Detect, rng: np.random.Generator) -> list[Verdict]:
    """Judge every proposed change of a coarse series, (n_blocks,), as find_sharpening does, in order of time.

    With the same generator the verdicts are those of find_sharpening; their times are in blocks.
    """
    return _judge(y, detect, rng)[0]


def _judge(y: Series, detect: Detect, rng: np.random.Generator) -> tuple[list[Verdict], float | None]:
    """Judge every proposed change, and the p-value of the largest rise; None where no rise reaches the factor.

    Where none does no p-value could make a jump of one, and the null, the dearest part of all this, is not sampled.
    """
    n, threshold = len(y), math.log(detect.jump_factor)
    changes = propose(y, threshold)
    if not any(change.rise >= threshold for change in changes):
        return [Verdict(change, None, SMALL) for change in changes], None
    jumps = [_span(c) for c in changes if abs(c.rise) >= threshold]
    tested = spans_for(n), detect.resamples, rng
    whole = weigh(y, jumps, *tested)
    falls = [_next_fall(change, changes, detect.lasting_share, n) for change in changes]
    # Each rise that is taken back may be significant on the run up to there as well: so many more chances.
    looks = 1 + sum(fall < n and change.rise >= threshold for change, fall in zip(changes, falls, strict=True))
    verdicts = []
    for change, fall in zip(changes, falls, strict=True):
        p_value, place, reason = whole.of(change), None, None
        if change.rise < threshold:
            reason = SMALL
        elif not _lasts(y, change, detect.lasting_share, fall):
            reason = PASSING
        else:
            if p_value > detect.alpha and fall < n:
                stop = max(fall, detect.min_points)
                until = weigh(y[:stop], [span for span in jumps if span[1] < stop], *tested).of(change)
                p_value = min(p_value, looks * until)
            if p_value > detect.alpha:
                reason = LIKE_NOISE
            else:
                bounds = _bounds(change, changes, n)
                place = locate(np.arange(n, dtype=np.float64), y, *_span(change), _SLACK, bounds, 0.99)
                reason = _refusal(y, place, detect.jump_factor)
        verdicts.append(Verdict(change, p_value, reason, place))
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
    before = float(np.median(y[change.start - width : change.start]))
    later = window_medians(y[change.end : change.start + 4 * width], width)
    if later.min() - before >= share * change.rise:
        return True
    held = int((y[change.start : fall + width] - before >= share * change.rise).sum())
    return fall < len(y) and held >= max(width, change.end - change.start)


def _refusal(y: Series, place: Rise, jump_factor: float) -> str | None:
    """Return why a located rise is no jump; None if it is one.

    It takes long or its middle cannot be told (a drift); the run ends before the new level has lasted as long as the
    rise took; it only takes back a fall; or it is small.
    """
    n, length = len(y), place.end - place.onset
    if length > longest_rise(n) or place.spread > window_width(n):
        return SLOW
    if place.end + length > n:
        return PASSING
    if _rebounds(y, place):
        return REBOUND
    return SMALL if _factor(y, place) < jump_factor else None


def _rebounds(y: Series, place: Rise) -> bool:
    """Return whether a rise only takes back a fall just before it: it leaves a dip and reaches no new level.

    A rise within the width of a level is short against what it leaves.
    """
    length = place.end - place.onset
    if length <= window_width(len(y)):
        return False
    earlier = np.arange(place.onset - _BEFORE * length, place.onset)
    return max(_level_at(y, index) for index in earlier) >= _level_at(y, place.end)


def _level_at(y: Series, index: float) -> float:
    """Return the median of the points around an index."""
    at = min(max(round(index), 0), len(y) - 1)
    return float(np.median(y[max(at - _AROUND, 0) : at + _AROUND + 1]))


def _bounds(change: Change, changes: list[Change], n: int) -> tuple[int, int]:
    """Return the range in which there is no other change of at least half the size."""
    others = [c for c in changes if abs(c.rise) >= 0.5 * change.rise]
    earlier = [c.end for c in others if c.end < change.start - 2]
    later = [c.start for c in others if c.start > change.end + 2]
    return max([0, *earlier]), min([n, *later])


def _event(points: Usable, coarse: Coarse, verdict: Verdict, changes: list[Change]) -> Event:
    """Locate the jump at full resolution, within a few blocks of its place; a rise of many points keeps its place."""
    edges, y, place, p_value = coarse.edges, coarse.values, verdict.place, verdict.p_value
    assert place is not None and p_value is not None  # of an accepted one
    n = len(y)
    first, last = (int(edges[min(max(round(b), 0), n)]) for b in (place.low, place.high + 1))
    block = int(np.diff(edges[max(int(place.low) - 1, 0) : int(place.high) + 3]).max())
    bounds = _bounds(verdict.change, changes, n)
    span = int(edges[bounds[0]]), int(edges[bounds[1]])
    fine = locate(points.steps, points.log_curvature, first, last, max(4, 2 * block), span, _LEVEL)
    found = _times(fine)
    if place.end - place.onset >= _MANY_BLOCKS and fine.end - fine.onset >= _MANY_POINTS:
        rough = locate(np.arange(n, dtype=np.float64), y, *_span(verdict.change), _SLACK, bounds, _LEVEL)
        found = np.interp(_times(rough) + 0.5, np.arange(n + 1), edges) - 0.5
    times = np.interp(found, np.arange(len(points.steps)), points.steps).tolist()
    return Event(times[0], times[1], times[2], times[3], times[4], _factor(y, place), p_value)


def _times(rise: Rise) -> Series:
    return np.array([rise.middle, rise.low, rise.high, rise.onset, rise.end])


def _span(change: Change) -> tuple[int, int]:
    return change.start, change.end


def _factor(y: Series, place: Rise) -> float:
    """Return curvature after / before: medians over a width on either side of the rise."""
    width = window_width(len(y))
    onset, end = int(place.onset), int(np.ceil(place.end))
    before, after = y[max(onset - width, 0) : max(onset, 0) + 1], y[end : end + width]
    return math.exp(float(np.median(after) - np.median(before)))
