"""What every engine does: it works at units side by side.

A unit is a function's input, and its result depends on nothing else, so that any engine may do it again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class WorkerDied(Exception):
    """A process, or the node it was on, ended before its unit was done."""


class Executor(Protocol):
    """Works at units; use as a context, which ends whatever still works.

    count: units at a time.
    """

    count: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def stop(self) -> ctypes.c_bool:
        """What is set to ask every unit under way to end early: `stopping.stop_requested` tells it to a unit."""

    def work(
        self, function: Callable[[Unit], Result], units: Sequence[Unit], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield place and result of each unit when it is done. Raises what a unit raises, and WorkerDied.

        ahead: how many units may be begun from the first on that is not done; None: all.
        """


def in_order(done: Iterator[tuple[int, Result]]) -> Iterator[Result]:
    """Yield results in the order of their places."""
    waiting: dict[int, Result] = {}
    place = 0
    for ready, result in done:
        waiting[ready] = result
        while place in waiting:
            yield waiting.pop(place)
            place += 1
