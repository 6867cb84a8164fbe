"""How long a study will take here, from a few seconds of measuring."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from mstudy.params import Cadence
from mstudy.training.cadence import logged_steps, sharpness_steps
from mstudy.training.datasets import Dataset
from mstudy.training.ensemble import train_ensemble
from mstudy.training.plan import RunConfig
from mstudy.training.sweep import ensembles

_STEPS = 20
_NEVER = 10**6


def estimate_seconds(runs: Sequence[RunConfig], data: Dataset, workers: int) -> float:
    """Wall time of training these runs on `workers` cores; an upper figure, since diverging runs end early.

    Per batch size three short trainings are timed: bare steps, logged steps, logged steps with sharpness.
    """
    return sum(_core_seconds(task, data) * n for task, n in _representatives(runs)) / workers


def _representatives(runs: Sequence[RunConfig]) -> list[tuple[list[RunConfig], int]]:
    """The gentlest ensemble of each batch size (nothing diverges in it), and the number of runs it stands for."""
    found: dict[int, tuple[list[RunConfig], int]] = {}
    for task in ensembles(runs):
        first, n = found.get(task[0].batch_size, (task, 0))
        found[task[0].batch_size] = (first, n + len(task))
    return list(found.values())


def _core_seconds(task: list[RunConfig], data: Dataset) -> float:
    """Seconds on one core for one run of this batch size."""
    run = task[0]
    cadence = Cadence(run.dense_steps, run.growth, run.sharpness_every)
    n_sharp = len(sharpness_steps(cadence, run.steps))
    n_logged = len(logged_steps(cadence, run.steps))
    dense, sparse = Cadence(_STEPS, 1.0, _NEVER), Cadence(0, 1.0, _NEVER)
    # Logging costs a member the same in any width: two members tell. Bare steps need the ensemble's own width.
    few = task[:2]
    steps_and_logs = _seconds(few, data, dense)
    sharp = (_seconds(few, data, replace(dense, sharpness_every=1)) - steps_and_logs) / _STEPS
    logged = (steps_and_logs - _seconds(few, data, sparse)) / (_STEPS + 1 - len(logged_steps(sparse, _STEPS)))
    bare = (_seconds(task, data, sparse) - len(logged_steps(sparse, _STEPS)) * logged) / _STEPS
    return run.steps * max(bare, 0.0) + n_logged * logged + n_sharp * max(sharp, 0.0)


def _seconds(task: list[RunConfig], data: Dataset, cadence: Cadence) -> float:
    """Seconds a member for `_STEPS` steps, logged at this cadence."""
    short = [replace(run, steps=_STEPS, **vars(cadence)) for run in task]
    start = time.perf_counter()
    train_ensemble(short, data.first(task[0].n_train))
    return (time.perf_counter() - start) / len(task)
