"""The engine `slurm`: arrays of jobs on a cluster, several units a job, by submitit."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from mstudy.core.engines.engine_params import Slurm
from mstudy.core.errors import ConfigError, printable
from mstudy.workers.answers import answer, task_of, value_of
from mstudy.workers.executor import Result, Unit, WorkerDied, in_order
from mstudy.workers.local import LocalExecutor
from mstudy.workers.stopping import Interrupted
from mstudy.workers.surroundings import ONE_THREAD, SAFE_PATH, VISIBLE_GPUS, environment

_RESUBMISSIONS = 3  # of a job that ended without an answer; each goes on from the checkpoints of its units
_USUAL_ARRAY = 1000  # jobs: SLURM's own default


class SlurmExecutor:
    """Units go into arrays of jobs of `how.ensembles` units each, of `count` processes, or of one a GPU.

    A job that is preempted is queued again by SLURM, one that dies is submitted again. folder: on a disk that all nodes
    share; what submitit writes lies there. cluster: as submitit names it; `local` plays SLURM on this machine.
    preload: as of LocalExecutor.
    """

    def __init__(
        self,
        how: Slurm,
        count: int,
        folder: Path,
        preload: str | None = None,
        cluster: str = "slurm",
        poll_seconds: float = 5.0,
    ) -> None:
        self.count = count
        self.stop = ctypes.c_bool(False)
        self._how, self._folder, self._preload = how, folder, preload
        self._cluster, self._poll_seconds = cluster, poll_seconds

    def __enter__(self) -> SlurmExecutor:
        if self._cluster == "slurm" and shutil.which("srun") is None:
            raise ConfigError(
                "--engine slurm must be called where SLURM is installed, found no srun; call it on a login node, or "
                "choose another engine."
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        return None

    def work(
        self, function: Callable[[Unit], Result], units: Sequence[Unit], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield place and result of each unit when its job is done. Jobs are cancelled where this ends early."""
        starts = range(0, len(units), self._how.ensembles)
        groups = [(start, units[start : start + self._how.ensembles]) for start in starts]
        do = partial(_do_all, function, self.count, self._preload)
        waiting = [_Waiting(start, task_of(do, own)) for start, own in groups]
        under_way: list[tuple[Any, _Waiting]] = []
        try:
            under_way += self._submitted(waiting)
            while under_way:
                ended = [(job, each) for job, each in under_way if job.done()]
                for job, each in ended:
                    under_way.remove((job, each))
                    results = _results_of(job)
                    if results is None:
                        under_way += self._submitted([each.again()])
                    else:
                        yield from enumerate(results, each.start)
                if self.stop.value:
                    raise Interrupted
                if not ended:
                    time.sleep(self._poll_seconds)
        finally:
            for job, _ in under_way:
                job.cancel(check=False)

    def _submitted(self, waiting: Sequence[_Waiting]) -> list[tuple[Any, _Waiting]]:
        """Submit jobs, in arrays as long as the cluster takes."""
        executor, most = self._executor(), self._array_size()
        pairs: list[tuple[Any, _Waiting]] = []
        with environment(ONE_THREAD | SAFE_PATH):
            for start in range(0, len(waiting), most):
                part = waiting[start : start + most]
                jobs = _accepted(partial(executor.map_array, _Job(), [each.task for each in part]))
                pairs += zip(jobs, part, strict=True)
        return pairs

    def _executor(self) -> Any:
        import submitit

        python = f"{shlex.quote(sys.executable)} -P"  # no module of the current folder comes first
        own = {f"{self._cluster}_python": python, f"{self._cluster}_max_num_timeout": _RESUBMISSIONS}
        executor = submitit.AutoExecutor(self._folder / "%j", cluster=self._cluster, **own)
        executor.update_parameters(
            name="mstudy",
            timeout_min=self._how.minutes,
            cpus_per_task=max(self.count, self._how.gpus),
            gpus_per_node=self._how.gpus,
            slurm_array_parallelism=self._how.at_a_time,
            slurm_additional_parameters={"requeue": True, **self._how.sbatch},
        )
        return executor

    def _array_size(self) -> int:
        if self._cluster != "slurm":
            return _USUAL_ARRAY
        shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", shown, re.MULTILINE)
        return max(1, int(found[1])) if found else _USUAL_ARRAY


class _Job:
    """What submitit calls. A job that is preempted, or out of time, is queued again as it is."""

    def __call__(self, task: bytes) -> bytes:
        os.environ.update(ONE_THREAD | SAFE_PATH)
        return answer(task)

    def checkpoint(self, task: bytes) -> Any:
        """Return what submitit is to queue again: the units have checkpoints of their own."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, task)


@dataclass(frozen=True)
class _Waiting:
    """A job whose answer is awaited. start: the place of its first unit. tries: how often it has been submitted."""

    start: int
    task: bytes
    tries: int = 1

    def again(self) -> _Waiting:
        """Return the same for another try. Raises WorkerDied after the last."""
        if self.tries > _RESUBMISSIONS:
            raise WorkerDied
        return _Waiting(self.start, self.task, self.tries + 1)


def _accepted(submit: Callable[[], list[Any]]) -> list[Any]:
    """Submit jobs. Raises ConfigError with what sbatch says where it refuses them."""
    import submitit

    try:
        return submit()
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError(
            f"sbatch must take the jobs that engine.slurm describes, found: {printable(str(error)).strip()}."
        ) from None


def _results_of(job: Any) -> list[Any] | None:
    """Return the results of a job's units; None where it ended without an answer."""
    import submitit

    try:
        answered = job.result()
    except submitit.core.utils.UncompletedJobError:
        return None
    results: list[Any] = value_of(answered)
    return results


def _do_all(function: Callable[[Any], Any], count: int, preload: str | None, units: Sequence[Any]) -> list[Any]:
    """Do all units of a job on its node."""
    gpus = [name for name in os.environ.get(VISIBLE_GPUS, "").split(",") if name]
    around = [{VISIBLE_GPUS: name} for name in gpus] if len(gpus) > 1 else [{}]
    with LocalExecutor(max(count, len(gpus)), preload, around) as executor:
        return list(in_order(executor.work(function, units)))
