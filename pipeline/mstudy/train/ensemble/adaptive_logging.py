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
_REMEMBERED = 8  # changes that tell a member's ordinary noise
_OUT_OF_THE_ORDINARY = 3.0  # times the median of those
_FLOOR = 0.01  # of the largest curvature remembered: the logarithm of anything smaller is noise


def changed_fast(rows: Rows, member: int, factor: float) -> bool:
    """Return whether the member's last row stands out: curvature `factor` times its last, or more than its noise
    explains.
    """
    latest = (float(row[_CURVATURE]) for row in reversed(rows.by_run[member].values()))
    last = next(latest, math.nan)
    if not math.isfinite(last):  # else an older change would be taken for that of the last gap
        return False
    earlier_values = islice((value for value in latest if math.isfinite(value)), _REMEMBERED)
    values = [last, *earlier_values][::-1]
    if len(values) < 2:
        return False
    floor = _FLOOR * max(abs(value) for value in values)
    if floor == 0:
        return False
    logs = [math.log(max(value, floor)) for value in values]
    changes = [abs(b - a) for a, b in pairwise(logs)]
    earlier = sorted(changes[:-1])
    ordinary = earlier[len(earlier) // 2] if earlier else 0.0
    return changes[-1] > max(math.log(factor), _OUT_OF_THE_ORDINARY * ordinary)


def replay(ensemble: Ensemble, before: State, rows: Rows, members: list[int], until: int) -> None:
    """Log every step of these members between the row at `before.step` and the one at `until`."""
    state = before.copy()
    state.keep([place for place, member in enumerate(state.members) if member in members])
    every = Schedule(replayed(ensemble.runs[0].cadence), list(range(before.step + 1, until)))
    again = Rows.empty(len(rows.by_run))
    while state.step < until and state.members:
        ensemble.advance(state, again, every)
    for member in members:
        rows.fill(member, again.by_run[member])
