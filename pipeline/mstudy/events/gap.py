"""The gap of a pair, log L_SGD - log L_SGDM, with the start-up lag of momentum taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.events.series import Series
from mstudy.runlog.schema import NESTEROV


@dataclass(frozen=True)
class LossCurve:
    """steps (n_rows,), loss (n_rows,) positive and finite, the step of divergence or None."""

    steps: NDArray[np.int64]
    loss: Series
    diverged_step: int | None


@dataclass(frozen=True)
class Pair:
    """One seed of a cell."""

    sgd: LossCurve
    sgdm: LossCurve


@dataclass(frozen=True)
class Gap:
    """steps: (n_points,) of SGD. values: (n_points,), log L_SGD(t) - log L_SGDM at the step as far along as t."""

    steps: Series
    values: Series

    def until(self, step: float) -> Gap:
        """The part up to a step, included."""
        early = self.steps <= step
        return Gap(self.steps[early], self.values[early])


def final_lag(momentum: float, optimizer: str) -> float:
    """Updates by which SGDM trails SGD once its velocity is built up: mu/(1-mu); Nesterov's form mu^2/(1-mu)."""
    return momentum ** (2 if optimizer == NESTEROV else 1) / (1 - momentum)


def sgd_clock(steps: Series, momentum: float, optimizer: str) -> Series:
    """The step of SGD that is as far along as SGDM is after `steps` updates; (n,) to (n,), increasing.

    Under a constant gradient g, s updates of heavy ball move by -eta_ef g (s - mu (1 - mu^s)/(1 - mu)): the sum of
    velocities g (1 - mu^i)/(1 - mu). So the lag grows from 0 to its final value within a few of it; no step at the
    start need be left out.
    """
    return steps - final_lag(momentum, optimizer) * (1 - momentum**steps)


def gap_between(first: LossCurve, second: LossCurve) -> Gap:
    """log L_first - log L_second at the steps of the first that both reached."""
    return _gap(first, second, second.steps.astype(np.float64))


def gap_curve(pair: Pair, momentum: float, optimizer: str) -> Gap:
    """The gap of SGD(t) to SGDM at the step that is as far along."""
    return _gap(pair.sgd, pair.sgdm, sgd_clock(pair.sgdm.steps.astype(np.float64), momentum, optimizer))


def _gap(first: LossCurve, second: LossCurve, clock: Series) -> Gap:
    steps = first.steps.astype(np.float64)
    shared = (steps >= clock[0]) & (steps <= clock[-1])
    steps = steps[shared]
    return Gap(steps, np.log(first.loss[shared]) - np.interp(steps, clock, np.log(second.loss)))
