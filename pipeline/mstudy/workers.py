"""Calls a function on many tasks, here or on processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import wait
from types import TracebackType
from typing import TextIO, TypeVar

from mstudy.core.boundary import print_or_drop
from mstudy.core.errors import LogError

Task = TypeVar("Task")
Result = TypeVar("Result")
_THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# What a child process of Python must find in its environment, or else it looks for modules in the current folder first.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
# Not every system has the second.
_END_SIGNALS = [kind for kind in signal.Signals if kind.name in ("SIGTERM", "SIGHUP")]
_TASKS_AHEAD = 4  # tasks a worker that wait: results are read in order, and must not pile up


def available_cores() -> int:
    """Return cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool of `count` processes, started when first needed; use as a context.

    While the context lasts, SIGTERM and SIGHUP act as Ctrl-C does, so that the processes are ended. Processes are
    spawned, not forked: the threads of polars do not survive a fork.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        self._until_exit = ExitStack()

    def __enter__(self) -> Workers:
        self._until_exit.enter_context(_ends_as_interrupts())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._until_exit.close()

    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], label: str, worthwhile: bool = True
    ) -> Iterator[Result]:
        """Yield function(task) of each task, in order. The pool is used where it is `worthwhile`: it takes a second to
        start.

        Raises LogError when a worker dies.
        """
        if self.count == 1 or len(tasks) < 2 or not worthwhile:
            yield from map(function, tasks)
            return
        progress = Progress(label, len(tasks))
        try:
            for result in _in_order(self._started(), function, tasks, _TASKS_AHEAD * self.count):
                progress.advance(1)
                yield result
        except BrokenProcessPool:
            raise LogError(
                f"Every process of the analysis must live to its end, found one killed while {label} (out of memory?); "
                f"run it again with fewer --workers."
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A process reads these when it starts; ours has done so already.
            self._until_exit.enter_context(environment(dict.fromkeys(_THREADS, "1") | SAFE_PATH))
            with shared_memory_needed():
                self._pool = ProcessPoolExecutor(
                    self.count, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
                )
        return self._pool


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change environment variables, for child processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@contextmanager
def shared_memory_needed() -> Iterator[None]:
    """Raise LogError where the system has no memory that processes can share, as in some containers."""
    try:
        yield
    except OSError as error:
        raise LogError(
            f"Processes must be able to share memory (/dev/shm), found: {error.strerror or error}; "
            "run it again with --workers 1."
        ) from None


def _start_worker() -> None:
    """Ignore Ctrl-C, which a terminal sends to every process: only the parent answers. End with the parent."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _ends_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP while the context lasts, unless the caller ignores or handles them.

    Signals reach the main thread of Python alone; elsewhere this does nothing.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    usual = [kind for kind in _END_SIGNALS if in_main_thread and signal.getsignal(kind) == signal.SIG_DFL]
    for kind in usual:
        signal.signal(kind, signal.default_int_handler)
    try:
        yield
    finally:
        for kind in usual:
            signal.signal(kind, signal.SIG_DFL)


def end_with_parent() -> None:
    """End this process as soon as its parent has ended, however that came: without it a worker waits for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _in_order(
    pool: ProcessPoolExecutor, function: Callable[[Task], Result], tasks: Sequence[Task], ahead: int
) -> Iterator[Result]:
    waiting: list[Future[Result]] = []
    for task in tasks:
        waiting.append(pool.submit(function, task))
        if len(waiting) >= ahead:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def in_chunks(total: int, size: int) -> list[tuple[int, int]]:
    """Return bounds (start, end) of consecutive parts of at most `size`."""
    return [(start, min(start + size, total)) for start in range(0, total, size)]


class Progress:
    """Counts units of work done out of `total`. Where its stream takes nothing, it falls silent."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label, self._total = label, total
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._terminal = _is_terminal(self._stream)
        self._done = self._tenths = 0
        self._start = time.monotonic()

    def advance(self, units: int) -> None:
        """Report `units` more as done."""
        self._done += units
        tenths = 10 * self._done // max(self._total, 1)
        if self._terminal or tenths > self._tenths or self._done == self._total:
            self._tenths = tenths
            self._print()

    def _print(self) -> None:
        elapsed = time.monotonic() - self._start
        left = elapsed * (self._total - self._done) / max(self._done, 1)
        text = f"{self._label}: {self._done} of {self._total}, {elapsed:.0f} s, about {left:.0f} s left"
        end = "\n" if not self._terminal or self._done == self._total else ""
        lead = "\r\x1b[K" if self._terminal else ""
        if self._stream is not None and not print_or_drop(f"{lead}{text}", end, self._stream):
            self._stream = None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):  # a stream that is closed
        return False
