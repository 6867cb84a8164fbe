"""The gaps of the branches that the page draws, each to the other run of its pair, from the branching on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mstudy.core.series import Series
from mstudy.pairs.gap import LossCurve, Pair, gap_curve
from mstudy.report.page.curves import Curve
from mstudy.report.results import Results
from mstudy.report.sections.base import BranchesShown
from mstudy.tables.contracts import RUNS


@dataclass(frozen=True)
class _Window:
    """The treated steps of a branch, and the step of its parent that is as far along as `end`; none without an end."""

    begin: int
    end: int | None
    parent_end: int | None

    def of_parent(self, steps: Series) -> Series:
        """Return the steps of the parent that are as far along as these of the branch."""
        return self._warped(steps, self.end, self.parent_end)

    def of_branch(self, steps: Series) -> Series:
        """Return the steps of the branch that are as far along as these of the parent."""
        return self._warped(steps, self.parent_end, self.end)

    def _warped(self, steps: Series, end: int | None, other: int | None) -> Series:
        if end is None or other is None:
            return steps
        inside = self.begin + (steps - self.begin) * (other - self.begin) / (end - self.begin)
        return np.where(steps < self.begin, steps, np.where(steps < end, inside, steps + (other - end)))


def branch_gaps(
    results: Results,
    losses: Mapping[str, LossCurve],
    place: Mapping[str, int],
    shown: Iterable[BranchesShown],
    packed: Callable[[Curve], list[Any]],
) -> dict[str, list[Any]]:
    """Return one row for each branch of the runs shown: its place, and the gap over its own steps."""
    rows: dict[str, list[Any]] = {"branch": [], "gap": []}
    about = {row["run_id"]: row for row in results[RUNS].iter_rows(named=True)}
    for parent in (parent for each in shown for parent in each.parents):
        for run_id in (run_id for time in parent.times for run_id in time.run_ids):
            rows["branch"].append(place[run_id])
            rows["gap"].append(packed(_gap(about, losses, parent.run_ids, run_id)))
    return rows


def _gap(
    about: Mapping[str, dict[str, Any]], losses: Mapping[str, LossCurve], pair: tuple[str, str], run_id: str
) -> Curve:
    """Return the gap of a branch of SGD to SGDM, or of SGD to a branch of SGDM; nothing where no lag is known."""
    branch, (sgd, sgdm) = about[run_id], pair
    window = _Window(branch["intervention_step"], branch["intervention_end"], branch["intervention_parent_end"])
    of_sgdm = branch["branch_of"] == sgdm
    own = losses[run_id]
    sides = Pair(losses[sgd], own) if of_sgdm else Pair(_on_parents_clock(own, window), losses[sgdm])
    empty = np.array([], dtype=np.int64), np.array([])
    if min(len(sides.sgd.steps), len(sides.sgdm.steps)) == 0:
        return empty
    gap = gap_curve(sides, about[sgdm]["optimizer"], about[sgdm]["momentum"])
    if gap is None:
        return empty
    steps = gap.steps if of_sgdm else window.of_branch(gap.steps)
    later = steps >= window.begin
    return np.rint(steps[later]).astype(np.int64), gap.values[later]


def _on_parents_clock(curve: LossCurve, window: _Window) -> LossCurve:
    steps: Any = window.of_parent(curve.steps.astype(np.float64))  # fractions of steps where the branch goes slower
    return replace(curve, steps=steps)
