"""Trains tasks one after another, or on worker processes of one thread each."""

from __future__ import annotations

import ctypes
import multiprocessing
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from mstudy.core.errors import TrainingError
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.interrupts import Interrupted, ignored_signals, on_interrupt, postponed_signals
from mstudy.train.sweep.job import Task, train_task
from mstudy.train.sweep.store import Store
from mstudy.workers import SAFE_PATH, end_with_parent, environment, shared_memory_needed


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
    stop = ctypes.c_bool(False)
    keep_freed_memory()
    with repeatable(), on_interrupt(stop):
        for task in tasks:
            on_trained(train_task(store, task, lambda: stop.value))


def _train_in_pool(store: Store, tasks: Sequence[Task], workers: int, on_trained: Callable[[int], None]) -> None:
    context = _fork_server()
    with shared_memory_needed():
        stop = context.RawValue(ctypes.c_bool, False)  # without a lock: a worker may be killed at any moment
    crew: list[_Worker] = []
    try:
        with on_interrupt(stop):
            for _ in range(workers):
                with postponed_signals():  # a worker started by half would end in a traceback
                    crew.append(_start(context, store, stop))
            for n_runs in _trained(crew, tasks):
                on_trained(n_runs)
    except _WorkerDied:
        raise TrainingError(
            "Every training worker must live until its runs are done, found one killed (out of memory?); "
            f"finished runs are kept in {store.root}, so run the same command again."
        ) from None
    finally:
        stop.value = True  # where one has failed, the others save what they have
        for worker in crew:
            worker.connection.close()
        for worker in crew:
            worker.process.join()


@dataclass(frozen=True)
class _Worker:
    """A process, and the one pipe to it: no two workers share anything that one of them could hold as it dies."""

    process: BaseProcess
    connection: Connection


class _WorkerDied(Exception):
    """A worker's end of its pipe is closed."""


def _fork_server() -> ForkServerContext:
    """Return a context that forks workers which have torch imported already, and no state of a thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mstudy.train.sweep.job"])
    # A terminal's Ctrl-C goes to every process: the server and its workers inherit the ignored signals.
    with environment(SAFE_PATH), ignored_signals():
        forkserver.ensure_running()
    return context


def _start(context: ForkServerContext, store: Store, stop: ctypes.c_bool) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(store, stop, theirs))
    with closing(theirs):  # the worker's copy alone stays open, so its death is the end of the pipe
        process.start()
    return _Worker(process, ours)


def _trained(crew: Sequence[_Worker], tasks: Sequence[Task]) -> Iterator[int]:
    """Yield how many runs each task trained, as the workers report them; whoever is done gets the next task.

    Raises what a task raised, and _WorkerDied.
    """
    todo = iter(tasks)
    idle, busy = [worker.connection for worker in crew], set[Connection]()
    while True:
        for connection, task in zip(idle, todo, strict=False):
            _send(connection, task)
            busy.add(connection)
        if not busy:
            return
        ready = wait(busy)
        idle = [connection for connection in busy if connection in ready]
        for connection in idle:
            busy.remove(connection)
            yield _receive(connection)


def _send(connection: Connection, task: Task) -> None:
    try:
        connection.send(task)
    except OSError:
        raise _WorkerDied from None


def _receive(connection: Connection) -> int:
    try:
        answer: int | Exception = connection.recv()
    except (EOFError, OSError):
        raise _WorkerDied from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(store: Store, stop: ctypes.c_bool, connection: Connection) -> None:
    """Train what comes through the pipe, until its other end is closed."""
    end_with_parent()
    keep_freed_memory()
    try:
        while True:
            connection.send(_answer(store, connection.recv(), stop))
    except (EOFError, OSError):
        return


def _answer(store: Store, task: Task, stop: ctypes.c_bool) -> int | Exception:
    try:
        with repeatable():
            return train_task(store, task, lambda: stop.value)
    except Exception as error:
        error.add_note(traceback.format_exc())  # a traceback does not travel to another process
        return error
