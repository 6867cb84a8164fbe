"""The same steps in two processes at once, of one thread each: a sweep of plain loops, and two workers of ours."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.job import dataset

from benchmarks.speed.contenders import ensemble_step, gentle_digits, plain_step
from benchmarks.speed.timing import ROUNDS, block

PROCESSES = 2
_PATIENCE = 120  # seconds that one process waits for the other

_together: Barrier


@dataclass(frozen=True)
class Job:
    """Steps of the default study's perceptron. width: 0 for the plain loop. n: steps a block."""

    batch_size: int
    width: int
    n: int


class Pair:
    """Two processes, which start the blocks of a job at the same time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(PROCESSES, _start, (context.Barrier(PROCESSES),))

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()

    def seconds(self, job: Job) -> float:
        """Wall time of one step of one run: that of the slower process, over the runs of both."""
        # Each takes one: the first to start waits for the other at the barrier.
        times = self._pool.map(_run, [job] * PROCESSES, chunksize=1)
        return min(map(max, zip(*times, strict=True))) / (PROCESSES * max(job.width, 1))


def _start(barrier: Barrier) -> None:
    global _together
    _together = barrier


def _run(job: Job) -> list[float]:
    keep_freed_memory()
    with repeatable():
        return _times(job)


def _times(job: Job) -> list[float]:
    data, runs = dataset("digits"), gentle_digits(job.batch_size, max(job.width, 1))
    step = ensemble_step(runs, data) if job.width else plain_step(runs[0], data)
    block(step, 2)
    times = []
    for _ in range(ROUNDS):
        _together.wait(_PATIENCE)
        times.append(block(step, job.n))
    return times
