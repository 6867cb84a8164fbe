"""The gap of a pair, log L_SGD - log L_SGDM or L_SGD - L_SGDM, with the start-up lag of momentum taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale, level_of
from mstudy.core.series import Series
from mstudy.core.theory import equivalent_sgd_step


@dataclass(frozen=True)
class LossCurve:
    """steps (n_rows,), loss (n_rows,) finite, the step of divergence or None.

    By its logarithm a loss is compared only where it is above 0; by difference it is in the unit of its setting.
    """

    steps: NDArray[np.int64]
    loss: Series
    diverged_step: int | None
    scale: Scale = Scale.LOG

    @property
    def level(self) -> Series:
        """What is subtracted where losses are compared, (n_rows,)."""
        return level_of(self.loss, self.scale)


@dataclass(frozen=True)
class Pair:
    """One seed of a cell."""

    sgd: LossCurve
    sgdm: LossCurve


@dataclass(frozen=True)
class Gap:
    """steps: (n_points,) of SGD. values: (n_points,), level of SGD(t) less that of SGDM at the step as far along."""

    steps: Series
    values: Series

    def until(self, step: float) -> Gap:
        """Return the part up to a step, included."""
        early = self.steps <= step
        return Gap(self.steps[early], self.values[early])


def gap_between(first: LossCurve, second: LossCurve) -> Gap:
    """Return the level of the first loss less that of the second at the steps of the first that both reached."""
    return _gap(first, second, second.steps.astype(np.float64))


def gap_curve(pair: Pair, optimizer: str, momentum: float) -> Gap | None:
    """Return the gap of SGD(t) to SGDM at the step that is as far along; None where the lag is not known."""
    clock = equivalent_sgd_step(pair.sgdm.steps.astype(np.float64), optimizer, momentum)
    return None if clock is None else _gap(pair.sgd, pair.sgdm, clock)


def _gap(first: LossCurve, second: LossCurve, clock: Series) -> Gap:
    steps = first.steps.astype(np.float64)
    shared = (steps >= clock[0]) & (steps <= clock[-1])
    steps = steps[shared]
    return Gap(steps, first.level[shared] - np.interp(steps, clock, second.level))
