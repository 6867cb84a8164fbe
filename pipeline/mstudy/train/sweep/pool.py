"""Trains tasks by an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mstudy.core.errors import TrainingError
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.checkpoint import checkpoint_path
from mstudy.train.sweep.job import Task, train_task
from mstudy.train.sweep.store import Store
from mstudy.workers.executor import Executor, WorkerDied
from mstudy.workers.stopping import Interrupted, on_interrupt, stop_requested


def train_tasks(store: Store, tasks: Sequence[Task], executor: Executor, on_trained: Callable[[int], None]) -> None:
    """Train all tasks by an engine that is started; on_trained is told how many runs have just entered the store.

    Raises TrainingError when a worker dies, KeyboardInterrupt when asked to stop: by then checkpoints are written.
    """
    try:
        with on_interrupt(executor.stop):
            for _, n_runs in executor.work(partial(_train_unit, store), tasks):
                on_trained(n_runs)
    except Interrupted:
        raise KeyboardInterrupt from None
    except WorkerDied:
        raise TrainingError(
            "Every training worker must live until its runs are done, found one killed (out of memory?); "
            f"finished runs are kept in {store.root}, so run the same command again."
        ) from None


def _train_unit(store: Store, task: Task) -> int:
    """Train one task; nothing where an engine gives it again that has been done."""
    if all(run.run_id in store for run in task.runs) and not checkpoint_path(store.root, task.runs).exists():
        return len(task.runs)
    keep_freed_memory()
    with repeatable():
        return train_task(store, task, stop_requested)
