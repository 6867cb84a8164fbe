"""Adaptive logging: where the curvature changed fast between two rows, the steps between are trained again and logged.

A sparse log sees a jump only after it has happened. Training is deterministic, so the ensemble goes back to its state
at the row before, replays the members concerned and logs every step: the jump is located to a step at the price of
one gap.
"""

from __future__ import annotations

import math
from itertools import islice, pairwise

from mstudy.core.quantities import DIRECTIONAL_CURVATURE, MEASURED_COLUMNS
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.schedule import Schedule, replayed
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.step import Ensemble

_CURVATURE = MEASURED_COLUMNS.index(DIRECTIONAL_CURVATURE.name)
_MAX_VALUES = 8  # earlier values, whose changes give the ordinary noise of a member
_MIN_RATIO = 3.0  # of the last change to the median of the earlier ones
_FLOOR_SHARE = 0.01  # of the largest of these values: the logarithm of a smaller one is noise


def changed_fast(rows: Rows, member: int, factor: float) -> bool:
    """Return whether the curvature of a member's last row changed by `factor`, and by more than its noise explains."""
    latest = (float(row[_CURVATURE]) for row in reversed(rows.by_run[member].values()))
    last = next(latest, math.nan)
    if not math.isfinite(last):  # else an older change would be taken for that of the last gap
        return False
    earlier_values = islice((value for value in latest if math.isfinite(value)), _MAX_VALUES)
    values = [last, *earlier_values][::-1]
    if len(values) < 2:
        return False
    floor = _FLOOR_SHARE * max(abs(value) for value in values)
    if floor == 0:
        return False
    logs = [math.log(max(value, floor)) for value in values]
    changes = [abs(b - a) for a, b in pairwise(logs)]
    earlier = sorted(changes[:-1])
    ordinary = earlier[len(earlier) // 2] if earlier else 0.0
    return changes[-1] > max(math.log(factor), _MIN_RATIO * ordinary)


def replay(ensemble: Ensemble, before: State, rows: Rows, members: list[int], until: int) -> None:
    """Log every step of these members between the row at `before.step` and the one at `until`."""
    state = before.copy()
    state.select([place for place, member in enumerate(state.members) if member in members])
    every = Schedule(replayed(ensemble.runs[0].cadence), list(range(before.step + 1, until)))
    again = Rows.empty(len(rows.by_run))
    while state.step < until and state.members:
        ensemble.advance(state, again, every)
    for member in members:
        rows.fill(member, again.by_run[member])
