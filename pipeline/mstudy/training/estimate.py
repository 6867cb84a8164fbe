"""How long a study will take here, from a few seconds of measuring."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

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

    Per batch size short trainings are timed and subtracted: bare steps, logged steps, steps with sharpness.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has
    try:
        return sum(_core_seconds(task, data) * n for task, n in _representatives(runs)) / workers
    finally:
        torch.set_num_threads(threads)


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
    few = task[:2]  # logging costs a member the same in any width; bare steps need the ensemble's own
    _seconds(few, data, sparse, _STEPS)  # the first touch of memory and of the kernels is not the price of a step
    # Differences, since every training pays for its start and for the sharpness at both ends.
    logs = _seconds(few, data, dense, _STEPS)
    sharp = (_seconds(few, data, replace(dense, sharpness_every=1), _STEPS) - logs) / (_STEPS - 1)
    logged = (logs - _seconds(few, data, sparse, _STEPS)) / (_STEPS + 1 - len(logged_steps(sparse, _STEPS)))
    longer = _seconds(task, data, sparse, 3 * _STEPS) - _seconds(task, data, sparse, _STEPS)
    rows = len(logged_steps(sparse, 3 * _STEPS)) - len(logged_steps(sparse, _STEPS))
    bare = (longer - rows * logged) / (2 * _STEPS)
    return run.steps * max(bare, 0.0) + n_logged * max(logged, 0.0) + n_sharp * max(sharp, 0.0)


def _seconds(task: list[RunConfig], data: Dataset, cadence: Cadence, steps: int) -> float:
    """Seconds a member for this number of steps, logged at this cadence."""
    short = [replace(run, steps=steps, **vars(cadence)) for run in task]
    start = time.perf_counter()
    train_ensemble(short, data.first(task[0].n_train))
    return (time.perf_counter() - start) / len(task)
