"""The engine `local`: processes of one thread each on this machine.

Each process has a pipe of its own and shares no lock with any other: one that is killed at any moment stops nobody.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from mstudy.workers.answers import answer, task_of, value_of
from mstudy.workers.executor import Result, Unit, WorkerDied
from mstudy.workers.stopping import ignore_interrupts, ignored_signals, listen, listening, postponed_signals
from mstudy.workers.surroundings import ONE_THREAD, SAFE_PATH, end_with_parent, environment, shared_memory_needed


class LocalExecutor:
    """`count` processes, started when there is more than one unit; a single one, or a single unit, is done here.

    preload: a module that takes long to import; processes are then forked from a server that has imported it and has no
    threads. Without one they are spawned: the threads of polars do not survive a fork. environments: what each process
    in turn finds in its environment, such as the one GPU that it may see.
    """

    def __init__(
        self, count: int, preload: str | None = None, environments: Sequence[Mapping[str, str]] = ({},)
    ) -> None:
        self.count = count
        self._preload, self._environments = preload, environments
        self._crew: list[_Worker] = []

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._disband()

    @cached_property
    def stop(self) -> ctypes.c_bool:
        """A byte that all processes see, without a lock."""
        if self.count == 1:
            return ctypes.c_bool(False)
        with shared_memory_needed():
            return multiprocessing.get_context("spawn").RawValue(ctypes.c_bool, False)

    def work(
        self, function: Callable[[Unit], Result], units: Sequence[Unit], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield place and result of each unit when it is done; whoever is done gets the next."""
        if self.count == 1 or len(units) < 2:
            with listening(self.stop):
                yield from ((place, function(unit)) for place, unit in enumerate(units))
            return
        try:
            self._start(min(self.count, len(units)))
            yield from _worked([worker.connection for worker in self._crew], function, units, ahead)
        except BaseException:
            self._disband()  # the others still work at units that nobody waits for
            raise

    def _start(self, count: int) -> None:
        context = _context_of(self._preload)
        with environment(ONE_THREAD | SAFE_PATH):  # a process reads these when it starts; ours has done so already
            for number in range(len(self._crew), count):
                own = self._environments[number % len(self._environments)]
                with postponed_signals():  # a worker started by half would end in a traceback
                    self._crew.append(_start_worker(context, self.stop, own))

    def _disband(self) -> None:
        """End all processes when they are done with what they are at, which a set flag shortens."""
        if not self._crew:
            return
        self.stop.value = True
        crew, self._crew = self._crew, []
        for worker in crew:
            worker.connection.close()
        for worker in crew:
            worker.process.join()


@dataclass(frozen=True)
class _Worker:
    """A process, and the one pipe to it: no two workers share anything that one of them could hold as it dies."""

    process: BaseProcess
    connection: Connection


def _context_of(preload: str | None) -> ForkServerContext | SpawnContext:
    if preload is None:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    # A terminal's Ctrl-C goes to every process: the server and its workers inherit the ignored signals.
    with environment(ONE_THREAD | SAFE_PATH), ignored_signals():
        forkserver.ensure_running()
    return context


def _start_worker(context: ForkServerContext | SpawnContext, stop: ctypes.c_bool, own: Mapping[str, str]) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(stop, theirs, dict(own)))
    with closing(theirs):  # the worker's copy alone stays open, so its death is the end of the pipe
        process.start()
    return _Worker(process, ours)


def _worked(
    idle: list[Connection], function: Callable[[Unit], Result], units: Sequence[Unit], ahead: int | None
) -> Iterator[tuple[int, Result]]:
    begun, busy = 0, dict[Connection, int]()
    while True:
        end = len(units) if ahead is None else min(len(units), min(busy.values(), default=begun) + ahead)
        for connection, place in zip(idle, range(begun, end), strict=False):
            _send(connection, task_of(function, units[place]))
            busy[connection], begun = place, place + 1
        if not busy:
            return
        idle = [connection for connection in idle if connection not in busy]
        ready = wait(list(busy))
        for connection in [each for each in busy if each in ready]:
            idle.append(connection)
            yield busy.pop(connection), _receive(connection)


def _send(connection: Connection, task: bytes) -> None:
    try:
        connection.send_bytes(task)
    except OSError:
        raise WorkerDied from None


def _receive(connection: Connection) -> Any:
    try:
        answered = connection.recv_bytes()
    except (EOFError, OSError):
        raise WorkerDied from None
    return value_of(answered)


def _serve(stop: ctypes.c_bool, connection: Connection, own: Mapping[str, str]) -> None:
    """Do what comes through the pipe, until its other end is closed."""
    os.environ.update(own)
    ignore_interrupts()
    end_with_parent()
    listen(stop)
    try:
        while True:
            connection.send_bytes(answer(connection.recv_bytes()))
    except (EOFError, OSError):
        return
