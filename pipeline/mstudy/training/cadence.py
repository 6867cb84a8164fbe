"""At which steps a run is logged."""

from __future__ import annotations

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


def sharpness_steps(cadence: Cadence, n_steps: int) -> set[int]:
    """Of the logged steps every `sharpness_every`-th, and the last: lambda_max costs some ten gradients."""
    steps = logged_steps(cadence, n_steps)
    return {*steps[:: cadence.sharpness_every], steps[-1]}
