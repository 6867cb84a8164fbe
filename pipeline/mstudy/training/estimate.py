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
    # Logging costs the same in any width: two members tell.
    bare = _seconds(task, data, every=_STEPS) / _STEPS
    logged = _seconds(task[:2], data, every=1) / (_STEPS + 1)
    sharp = _seconds(task[:2], data, every=1, with_sharpness=True) / (_STEPS + 1)
    n_sharp = len(sharpness_steps(cadence, run.steps))
    n_logged = len(logged_steps(cadence, run.steps))
    return run.steps * bare + (n_logged - n_sharp) * logged + n_sharp * sharp


def _seconds(task: list[RunConfig], data: Dataset, every: int, with_sharpness: bool = False) -> float:
    """Seconds a member for `_STEPS` steps, logged at each step or at the two ends alone."""
    dense = _STEPS if every == 1 else 0
    growth = 1.0 if every == 1 else float(_STEPS)
    sharpness_every = 1 if with_sharpness else _STEPS + 1
    short = [replace(r, steps=_STEPS, dense_steps=dense, growth=growth, sharpness_every=sharpness_every) for r in task]
    start = time.perf_counter()
    train_ensemble(short, data.first(task[0].n_train))
    return (time.perf_counter() - start) / len(task)
