"""All openings of a pair's gap: those that close again, and the one that stays, which is the parting.

An opening that closes is judged by its pair alone: no window in common tells it, since seeds open at different times.
Method and limits: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.compare.cell_parting import Parting
from mstudy.core.series import Series
from mstudy.core.statuses import PARTED_OR_DIVERGED, Ahead, PartingStatus
from mstudy.pairs.gap import Gap, Pair, gap_curve

_MIN_CLOSED_ROWS = 3  # logged points that tell that a gap has closed, and more where it was open for more
_MAX_OPENINGS = 3  # of one pair that go half as far as one that closes, itself included
_MIN_POINTS = 20  # logged points before an opening: in the first steps the lag of momentum is known only roughly
_CLOSED_SDS = 3.0  # robust standard deviations within which a gap is closed; it opens to twice that
_QUIET_SHARE = 1 / 3  # of the limit: after the last row within that the opening may have begun


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
    pairs: Sequence[Pair], partings: Sequence[Parting], optimizer: str, momentum: float, margin: float
) -> list[list[Opening]]:
    """Find the openings of each pair of a cell, in order of time. partings: those of `find_partings`, one a pair."""
    return [
        [*_closing(pair, parting, optimizer, momentum, margin), *_staying(parting)]
        for pair, parting in zip(pairs, partings, strict=True)
    ]


def _staying(parting: Parting) -> list[Opening]:
    if parting.status not in PARTED_OR_DIVERGED:
        return []
    return [Opening(parting.status, parting.ahead, parting.step, parting.step_low, parting.step_high, None)]


def _closing(pair: Pair, parting: Parting, optimizer: str, momentum: float, margin: float) -> list[Opening]:
    """Return the openings that close before the parting; none where a run diverged, or where the lag is not known."""
    if pair.sgd.diverged_step is not None or pair.sgdm.diverged_step is not None:
        return []
    gap = gap_curve(pair, optimizer, momentum)
    if gap is None:
        return []
    before = gap.until(parting.step_low) if parting.status == PartingStatus.PARTED and parting.step_low else gap
    return _closing_in(before, margin) if len(before.steps) else []


def _closing_in(gap: Gap, margin: float) -> list[Opening]:
    departure = gap.values - np.median(gap.values)
    far = np.abs(departure)
    limit = max(margin, _CLOSED_SDS * 1.4826 * float(np.median(far)))
    stretches = [each for each in _stretches(far > limit) if each[0] >= _MIN_POINTS]
    heights = np.array([far[first:last].max() for first, last in stretches])
    # Where many go half as far, a height is a matter of heavy tails.
    chosen = [h > 2 * limit and (heights >= h / 2).sum() <= _MAX_OPENINGS for h in heights]
    return [
        _opening(gap, departure, first, last, limit)
        for (first, last), taken in zip(stretches, chosen, strict=True)
        if taken
    ]


def _opening(gap: Gap, departure: Series, first: int, last: int, limit: float) -> Opening:
    """Date an opening where it passes the limit: by the rows on either side."""
    far, steps = np.abs(departure), gap.steps
    top = first + int(far[first:last].argmax())
    quiet = np.flatnonzero(far[:first] <= _QUIET_SHARE * limit)
    low = steps[quiet[-1]] if len(quiet) else steps[first - 1]
    step = float(np.interp(limit, far[first - 1 : first + 1], steps[first - 1 : first + 1]))
    ahead = Ahead.SGDM if departure[top] > 0 else Ahead.SGD
    return Opening(PartingStatus.TRANSIENT, ahead, step, float(low), float(steps[first]), float(steps[last]))


def _stretches(is_open: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last + 1 of each stretch that opens, and is then closed for as many rows, or for three.

    Stretches that are apart by fewer rows are one.
    """
    padded = np.concatenate([[False], is_open, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    joined: list[tuple[int, int]] = []
    for first, last in edges.tolist():
        if joined and first - joined[-1][1] < _closing_rows(*joined[-1]):
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return [each for each in joined if len(is_open) - each[1] >= _closing_rows(*each)]


def _closing_rows(first: int, last: int) -> int:
    return max(_MIN_CLOSED_ROWS, last - first)
