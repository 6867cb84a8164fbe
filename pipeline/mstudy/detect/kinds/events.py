"""What is said of one rise of the curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mstudy.core.series import Series
from mstudy.core.statuses import EventKind


@dataclass(frozen=True)
class Event:
    """One rise. step: the middle of it; [step_low, step_high]: 95 % interval; jump: curvature after / before.

    p_value: None for a transient one, which is not tested. rise_steps: updates that the rise took. rise_share: that as
    a share of the steps of the log up to the rise's end. fall_step: where half of the rise has been taken back; None
    for one that stays or comes back.
    """

    step: float
    step_low: float
    step_high: float
    onset: float
    end: float
    jump: float
    p_value: float | None
    kind: EventKind = EventKind.LASTING
    rise_steps: float = 0.0
    rise_share: float = 0.0
    fall_step: float | None = None


def share_of_rise(steps: Series, onset: float, end: float, rows: slice) -> tuple[float, float]:
    """Return the steps that a rise took, and their share of the log's up to its end. steps: (n_points,), usable ones.

    Where the rows about the rise have a hole, of values that have no logarithm, it may have taken all of that.
    """
    took = max(end - onset, float(np.diff(steps[rows]).max(initial=0.0)))
    return took, took / max(end - float(steps[0]), took, 1e-9)
