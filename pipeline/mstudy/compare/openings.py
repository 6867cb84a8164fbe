"""All openings of a pair's gap: those that close again, and the one that stays, which is the parting.

An opening that closes is judged by its pair alone: no window in common tells it, since seeds open at different times.
Method and limits: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mstudy.compare.cell_parting import Parting
from mstudy.compare.closed_stretches import QUIET_SHARE, Closed, Closing, closed_stretches
from mstudy.core.statuses import PARTED_OR_DIVERGED, Ahead, PartingStatus
from mstudy.pairs.gap import Gap, Pair, gap_curve


@dataclass(frozen=True)
class Opening:
    """One opening of a gap. status: transient where it closes again, else that of the parting.

    ahead: who has the lower loss in it. [step_low, step_high]: interval. close_step: the first logged step at which it
    has closed; None where it stays.
    """

    status: PartingStatus
    ahead: Ahead | None
    step: float | None
    step_low: float | None
    step_high: float | None
    close_step: float | None


def find_openings(
    pairs: Sequence[Pair], partings: Sequence[Parting], optimizer: str, momentum: float, by: Closing
) -> list[list[Opening]]:
    """Find the openings of each pair of a cell, in order of time. partings: those of `find_partings`, one a pair."""
    return [
        [*_closing(pair, parting, optimizer, momentum, by), *_staying(parting)]
        for pair, parting in zip(pairs, partings, strict=True)
    ]


def _staying(parting: Parting) -> list[Opening]:
    if parting.status not in PARTED_OR_DIVERGED:
        return []
    return [Opening(parting.status, parting.ahead, parting.step, parting.step_low, parting.step_high, None)]


def _closing(pair: Pair, parting: Parting, optimizer: str, momentum: float, by: Closing) -> list[Opening]:
    """Return the openings that close before the parting; none where a run diverged, or where the lag is not known."""
    if pair.sgd.diverged_step is not None or pair.sgdm.diverged_step is not None:
        return []
    gap = gap_curve(pair, optimizer, momentum)
    if gap is None:
        return []
    if parting.status != PartingStatus.PARTED or parting.step is None or parting.step_low is None:
        return _closing_in(gap, gap, np.inf, by)
    return _closing_in(gap, gap.until(parting.step_low), parting.step, by)


def _closing_in(gap: Gap, closed: Gap, end: float, by: Closing) -> list[Opening]:
    """Return the openings that have closed by a step. closed: the part that tells where the gap is closed."""
    if not len(closed.steps):
        return []
    found = closed_stretches(gap, closed, by)
    return [_opening(gap, found, first, last) for first, last in found.stretches if gap.steps[last] <= end]


def _opening(gap: Gap, found: Closed, first: int, last: int) -> Opening:
    """Date an opening where it passes the limit: by the rows on either side."""
    far, steps = np.abs(found.departure), gap.steps
    top = first + int(far[first:last].argmax())
    quiet = np.flatnonzero(far[:first] <= QUIET_SHARE * found.limit)
    low = steps[quiet[-1]] if len(quiet) else steps[first - 1]
    step = float(np.interp(found.limit, far[first - 1 : first + 1], steps[first - 1 : first + 1]))
    ahead = Ahead.SGDM if found.departure[top] > 0 else Ahead.SGD
    return Opening(PartingStatus.TRANSIENT, ahead, step, float(low), float(steps[first]), float(steps[last]))
