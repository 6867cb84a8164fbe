"""The engine `ray`: tasks of Ray Core, on a cluster or on processes of this machine."""

from __future__ import annotations

import ctypes
import os
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from types import TracebackType
from typing import Any

from mstudy.core.engines.engine_params import Ray
from mstudy.core.errors import ConfigError, shown
from mstudy.workers.answers import answer, task_of, value_of
from mstudy.workers.executor import Result, Unit, WorkerDied
from mstudy.workers.stopping import Interrupted, kept_handlers, listening, on_interrupt
from mstudy.workers.surroundings import ONE_THREAD, SAFE_PATH, available_cores, environment

_RETRIES = 5  # of a unit whose process or node ended; each goes on from the unit's checkpoint
_MIN_QUEUED = 1000  # units: enough for Ray to see what there is to do
_POLL_SECONDS = 0.5
_STOP_SECONDS = 30.0  # for units under way to save what they have


class RayExecutor:
    """Units are tasks of Ray, one processor each, or a share of a GPU where there are GPUs.

    how: the cluster, or none to start Ray on this machine. count: units at a time; None: as many as there is room for.
    on_gpu: None takes GPUs where the cluster has some.
    """

    def __init__(self, how: Ray, count: int | None, on_gpu: bool | None = False) -> None:
        self.count = count or 1
        self.on_gpu = bool(on_gpu)
        self.stop = ctypes.c_bool(False)
        self._how, self._wanted, self._gpu_wanted = how, count, on_gpu

    def __enter__(self) -> RayExecutor:
        import ray

        cores = self._wanted or available_cores()
        own = {} if self._how.address else {"num_cpus": cores, "include_dashboard": False}
        # Ray puts the current folder first where its processes look for modules: that of Python itself does no harm.
        safe = chdir(sysconfig.get_paths()["stdlib"])
        with kept_handlers(), environment(ONE_THREAD | SAFE_PATH), safe:
            try:
                ray.init(address=self._how.address or "local", log_to_driver=False, logging_level="ERROR", **own)
            except (OSError, RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"--address must lead to a running Ray cluster, or be left out to start Ray here, found "
                    f"{shown(self._how.address)}: {shown(str(error))}."
                ) from None
        there = ray.cluster_resources()
        gpus = there.get("GPU", 0.0)
        self.on_gpu = gpus > 0 if self._gpu_wanted is None else self._gpu_wanted
        room = gpus / self._how.gpu_share if self.on_gpu else there.get("CPU", 1.0)
        self.count = self._wanted or max(1, int(room))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        import ray

        with kept_handlers():
            ray.shutdown()

    def work(
        self, function: Callable[[Unit], Result], units: Sequence[Unit], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield place and result of each unit when it is done. A unit whose process or node ended is done again."""
        import ray

        share: dict[str, Any] = {"num_gpus": self._how.gpu_share} if self.on_gpu else {"num_gpus": 0}
        remote = ray.remote(num_cpus=1, max_retries=_RETRIES, **share)(_answer_there)
        queue, begun, busy = self._queue(ahead), 0, dict[Any, int]()
        try:
            while busy or begun < len(units):
                while begun < len(units) and begun < min(busy.values(), default=begun) + queue and len(busy) < queue:
                    busy[remote.remote(task_of(function, units[begun]), os.getcwd())] = begun
                    begun += 1
                ready, _ = ray.wait(list(busy), timeout=_POLL_SECONDS)
                if self.stop.value:
                    raise Interrupted
                for reference in ready:
                    yield busy.pop(reference), value_of(_fetched(reference))
        finally:
            _cancel(list(busy))

    def _queue(self, ahead: int | None) -> int:
        """Return how many units Ray is given at a time: a unit more for each process would do, were none to wait."""
        return max(_MIN_QUEUED, 2 * self.count) if ahead is None else ahead


def _fetched(reference: Any) -> bytes:
    import ray

    try:
        answered: bytes = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # before the unit: it could not even be called
        raise ConfigError(
            f"Every node of the Ray cluster must have the mstudy of this machine, found {shown(str(error.cause))}; "
            "install the same version there."
        ) from None
    except ray.exceptions.RayError:  # of the process or the node: what the unit itself raises is in its answer
        raise WorkerDied from None
    return answered


def _cancel(references: list[Any]) -> None:
    """Ask units under way to end, and give them time to save what they have."""
    import ray

    for reference in references:
        ray.cancel(reference)
    if references:
        ray.wait(references, num_returns=len(references), timeout=_STOP_SECONDS)


def _answer_there(task: bytes, folder: str) -> bytes:
    """Do a task in a process of Ray. folder: what relative names mean, where this machine has it too."""
    os.environ.update(ONE_THREAD)
    if Path(folder).is_dir():
        os.chdir(folder)
    stop = ctypes.c_bool(False)
    with listening(stop), on_interrupt(stop):
        return answer(task)
