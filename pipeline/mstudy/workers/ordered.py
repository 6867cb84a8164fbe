"""Calls a function on many tasks, here or by an engine, and gives the results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

from mstudy.core.errors import LogError
from mstudy.workers.executor import Executor, Result, Unit, WorkerDied, in_order
from mstudy.workers.local import LocalExecutor
from mstudy.workers.progress import Progress
from mstudy.workers.stopping import ends_as_interrupts

_TASKS_AHEAD = 4  # tasks a worker that may wait for one before them: results must not pile up


class Workers:
    """`count` processes, started when first needed; use as a context. executor: what works instead of processes here.

    While the context lasts, SIGTERM and SIGHUP act as Ctrl-C does, so that the processes are ended.
    """

    def __init__(self, count: int = 1, executor: Executor | None = None) -> None:
        self._executor = executor or LocalExecutor(count)
        self._until_exit = ExitStack()

    def __enter__(self) -> Workers:
        self._until_exit.enter_context(ends_as_interrupts())
        self._until_exit.enter_context(self._executor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._until_exit.close()

    def map(
        self, function: Callable[[Unit], Result], tasks: Sequence[Unit], label: str, worthwhile: bool = True
    ) -> Iterator[Result]:
        """Yield function(task) of each task, in order. Processes are used where that is `worthwhile`: they take a
        second to start.

        Raises LogError when a worker dies.
        """
        count = self._executor.count
        if count == 1 or len(tasks) < 2 or not worthwhile:
            yield from map(function, tasks)
            return
        progress = Progress(label, len(tasks))
        try:
            for result in in_order(self._executor.work(function, tasks, _TASKS_AHEAD * count)):
                progress.advance(1)
                yield result
        except WorkerDied:
            raise LogError(
                f"Every process of the analysis must live to its end, found one killed while {label} (out of memory?); "
                f"run it again with fewer --workers."
            ) from None


def in_chunks(total: int, size: int) -> list[tuple[int, int]]:
    """Return bounds (start, end) of consecutive parts of at most `size`."""
    return [(start, min(start + size, total)) for start in range(0, total, size)]
