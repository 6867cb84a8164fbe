"""Abrupt sharpening: lasting jumps of the curvature of one run, or an honest "none".

ruptures proposes changes of log curvature; the effect filter (a rise by a stated factor, within a few points, that
lasts) and the run's own null (its trend and noise without a jump) decide. Method and limits: docs/methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mstudy.core.errors import ConfigError
from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.core.statuses import SHARPENING_KINDS, EventKind, SharpeningStatus
from mstudy.detect.judge import JudgedChange, judge_changes, locate_change
from mstudy.detect.kinds.events import Event, share_of_rise
from mstudy.detect.kinds.falls import fall_after
from mstudy.detect.kinds.recurrence import recurring_rises
from mstudy.detect.kinds.transients import find_transients
from mstudy.detect.points import Coarse, Usable, coarsen, usable_points, without_spikes
from mstudy.detect.proposals import window_width
from mstudy.detect.rise.location import Rise, locate
from mstudy.detect.rise.past import past_of

_MIN_SURE_BLOCKS = 4  # a rise over more is known well enough without full resolution ...
_MIN_FINE_POINTS = 40  # ... unless its points, of which a block of a dense stretch has many, show a shorter one
_LEVEL = 0.95  # of the interval


@dataclass(frozen=True)
class Sharpening:
    """The verdict on one run.

    events: the abrupt sharpenings, in order of time. others: rises that are none, transient and progressive ones.
    p_value: of the first lasting event, else of the largest rise anywhere, by the run's own null; None where nothing is
    tested: the log is too short, or no rise reaches the factor. followup_step: last step at which a jump would have
    been seen. n_points: logged points used.
    """

    status: SharpeningStatus
    n_points: int
    events: tuple[Event, ...] = ()
    p_value: float | None = None
    followup_step: float | None = None
    others: tuple[Event, ...] = ()


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
        return Sharpening(SharpeningStatus.NO_CURVATURE, 0)
    points = usable_points(steps, curvature, loss)
    n_points = len(points.steps)
    if n_points < detect.min_points:
        return Sharpening(SharpeningStatus.TOO_SHORT, n_points)
    coarse = coarsen(points)
    if len(coarse.values) < detect.min_points:
        return Sharpening(SharpeningStatus.TOO_SHORT, n_points)
    past = past_of(steps, curvature, points, coarse)
    verdicts, p_value = judge_changes(coarse.values, detect, rng, past)
    accepted = [verdict for verdict in verdicts if verdict.reason is None]
    accepted += recurring_rises(coarse, accepted, detect, rng, past)
    sharpenings = [_event(points, coarse, verdict, detect.progressive_share) for verdict in accepted]
    spikes = find_transients(points, coarse, [(event.onset, event.end) for event in sharpenings], detect)
    listed = sorted([*sharpenings, *spikes], key=lambda event: event.step)
    events = tuple(event for event in listed if event.kind in SHARPENING_KINDS)
    width = window_width(len(coarse.values))
    return Sharpening(
        SharpeningStatus.DETECTED if events else SharpeningStatus.NONE,
        n_points,
        events,
        next((event.p_value for event in events if event.kind == EventKind.LASTING), p_value),
        float(points.steps[coarse.edges[len(coarse.values) - width]]),
        tuple(event for event in listed if event.kind not in SHARPENING_KINDS),
    )


def _event(points: Usable, coarse: Coarse, verdict: JudgedChange, progressive_share: float) -> Event:
    """Locate the jump at full resolution, within a few blocks of its place; a rise of many points keeps its place."""
    edges, y, place = coarse.edges, coarse.values, verdict.place
    assert place is not None  # of an accepted one
    low, high, onset, end = np.interp(
        [place.low - 1, place.high + 2, place.onset - 1, place.end + 2], np.arange(len(y) + 1), edges
    )
    bounds = int(edges[verdict.bounds[0]]), int(edges[verdict.bounds[1]])
    fine = locate(points.steps, without_spikes(points.log_curvature), (low, high), 1.5 * (end - onset), bounds, _LEVEL)
    times = _times(fine)
    if place.end - place.onset >= _MIN_SURE_BLOCKS and fine.end - fine.onset >= _MIN_FINE_POINTS:
        rough = locate_change(y, verdict.change, verdict.bounds, _LEVEL)
        times = np.interp(_times(rough) + 0.5, np.arange(len(y) + 1), edges) - 0.5
    steps = np.interp(times, np.arange(len(points.steps)), points.steps).tolist()
    about = edges[max(int(place.onset) - 2, 0)], edges[min(int(place.end) + 3, len(y))]
    duration, share = share_of_rise(points.steps, steps[3], steps[4], slice(*about))
    kind = EventKind.RECURRING if verdict.recurring else EventKind.LASTING
    if share > progressive_share:
        kind = EventKind.PROGRESSIVE
    fall = None if verdict.recurring else fall_after(points, steps[3], steps[0], steps[4])
    jump, p_value = verdict.jump, verdict.p_value
    return Event(steps[0], steps[1], steps[2], steps[3], steps[4], jump, p_value, kind, duration, share, fall)


def _times(rise: Rise) -> Series:
    return np.array([rise.middle, rise.low, rise.high, rise.onset, rise.end])
