"""Trains tasks one after another, or on worker processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event

from mstudy.core.errors import TrainingError
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.interrupts import Interrupted, ignored_signals, on_interrupt
from mstudy.train.sweep.job import Task, train_task
from mstudy.train.sweep.store import Store


def train_tasks(store: Store, tasks: Sequence[Task], workers: int, on_trained: Callable[[int], None]) -> None:
    """Train all tasks; on_trained is told how many runs have just entered the store.

    Raises TrainingError when a worker dies, KeyboardInterrupt when asked to stop: by then checkpoints are written.
    """
    try:
        if workers == 1 or len(tasks) == 1:
            _train_here(store, tasks, on_trained)
        else:
            _train_in_pool(store, tasks, min(workers, len(tasks)), on_trained)
    except Interrupted:
        raise KeyboardInterrupt from None


def _train_here(store: Store, tasks: Sequence[Task], on_trained: Callable[[int], None]) -> None:
    stop = threading.Event()
    keep_freed_memory()
    with repeatable(), on_interrupt(stop.set):
        for task in tasks:
            on_trained(train_task(store, task, stop.is_set))


def _train_in_pool(store: Store, tasks: Sequence[Task], workers: int, on_trained: Callable[[int], None]) -> None:
    context = _fork_server()
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(stop,))
    try:
        with on_interrupt(stop.set):
            for future in as_completed([pool.submit(_train_in_worker, store, task) for task in tasks]):
                on_trained(future.result())
    except BrokenProcessPool:
        raise TrainingError(
            "Every training worker must live until its runs are done, found one killed (out of memory?); "
            f"finished runs are kept in {store.root}, so run the same command again."
        ) from None
    finally:
        stop.set()  # where one has failed, the others save what they have
        pool.shutdown(wait=True, cancel_futures=True)


def _fork_server() -> ForkServerContext:
    """Return a context that forks workers which have torch imported already, and no state of a thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mstudy.train.sweep.job"])
    with ignored_signals():  # a terminal's Ctrl-C goes to every process: the server and its workers inherit deafness
        forkserver.ensure_running()
    return context


_STOP: Event | None = None


def _start_worker(stop: Event) -> None:
    global _STOP
    _STOP = stop
    keep_freed_memory()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """End this worker with its parent: without it a worker would wait for work for ever."""
    wait([sentinel])
    os._exit(1)


def _train_in_worker(store: Store, task: Task) -> int:
    assert _STOP is not None, "a worker is started by _start_worker"
    with repeatable():
        return train_task(store, task, _STOP.is_set)
