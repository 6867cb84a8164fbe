"""How long a step of an ensemble takes.

On a CPU by the processor time of this process, whose one thread does all the work: with a busy neighbour a step is
interrupted, which is no price of the step. On a GPU by the wall.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from mstudy.core.params import Cadence
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.schedule import Schedule
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.step import Ensemble

BLOCK_SECONDS = 0.005  # of steps that are timed together, or one step where it takes longer
_BLOCKS = 24  # of which the least counts, where a step is timed for its own sake
_UNREACHED_STEP = 10**9  # a step that no trial reaches

NO_ROWS = Schedule(Cadence(), [_UNREACHED_STEP])
Clock = Callable[[], float]


@dataclass(frozen=True)
class Trial:
    """An ensemble that makes steps to be timed."""

    ensemble: Ensemble
    state: State
    rows: Rows
    schedule: Schedule
    clock: Clock


def clock_of(device: torch.device) -> Clock:
    """Return a function that returns the seconds of work so far."""
    if device.type == "cpu":
        return time.process_time

    def wall() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return wall


def begin_trial(ensemble: Ensemble, clock: Clock, schedule: Schedule = NO_ROWS) -> Trial:
    """Make the first step: the first touch of memory and of the kernels is not the price of a step."""
    trial = Trial(ensemble, ensemble.start(), Rows.empty(len(ensemble.runs)), schedule, clock)
    ensemble.advance(trial.state, trial.rows, schedule)
    return trial


def block_seconds(trial: Trial) -> float:
    """Return the seconds of one step, over a block of them."""
    start, n_steps, spent = trial.clock(), 0, 0.0
    while spent < BLOCK_SECONDS:
        trial.ensemble.advance(trial.state, trial.rows, trial.schedule)
        n_steps, spent = n_steps + 1, trial.clock() - start
    return spent / n_steps


def step_seconds(ensemble: Ensemble, schedule: Schedule, device: torch.device) -> float:
    """Return the least time of one step of the whole ensemble, over some blocks."""
    trial = begin_trial(ensemble, clock_of(device), schedule)
    return min(block_seconds(trial) for _ in range(_BLOCKS))
