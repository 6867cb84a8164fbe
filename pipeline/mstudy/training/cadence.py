"""At which steps a run is logged, and each quantity measured."""

from __future__ import annotations

import bisect

from mstudy.params import Cadence


def logged_steps(cadence: Cadence, n_steps: int) -> list[int]:
    """Every step up to `dense_steps`, then gaps that grow in proportion to the step, always odd; the last step too.

    Odd gaps: at the edge of stability quantities alternate with period 2, and an even stride would show only one of
    the two phases.
    """
    steps = list(range(min(cadence.dense_steps, n_steps) + 1))
    while steps[-1] < n_steps:
        gap = int(cadence.growth * steps[-1]) // 2 * 2 + 1
        steps.append(min(steps[-1] + gap, n_steps))
    return steps


class Schedule:
    """What to measure when: each quantity at every so many-th logged step and at the last one; never if that is 0."""

    def __init__(self, cadence: Cadence, steps: list[int]) -> None:
        self.steps = steps
        self._logged = set(steps)
        self._curvature = _every(steps, cadence.curvature_every)
        self._sharpness = _every(steps, cadence.sharpness_every)
        self._batch_sharpness = _every(steps, cadence.batch_sharpness_every)

    def logs(self, step: int) -> bool:
        """Whether the step has a row."""
        return step in self._logged

    def curvature(self, step: int) -> bool:
        """Whether the row has the curvature along the update."""
        return step in self._curvature

    def sharpness(self, step: int) -> bool:
        """Whether the row has lambda_max, which costs some ten gradients."""
        return step in self._sharpness

    def batch_sharpness(self, step: int) -> bool:
        """Whether the row has the batch sharpness, which costs some two gradients of each batch drawn."""
        return step in self._batch_sharpness

    def before(self, step: int) -> int | None:
        """The logged step before this logged one."""
        place = bisect.bisect_left(self.steps, step)
        return self.steps[place - 1] if place else None


def _every(steps: list[int], n: int) -> set[int]:
    return {*steps[::n], steps[-1]} if n else set()
