"""The processes that train, here or elsewhere, by the engine that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from mstudy.core.engines.engine_params import LOCAL, RAY, SLURM, Engine
from mstudy.core.errors import ConfigError
from mstudy.train.sweep.processes.devices import places, torch_device
from mstudy.train.sweep.store import Store
from mstudy.workers.executor import Executor
from mstudy.workers.local import LocalExecutor
from mstudy.workers.on_ray import RayExecutor
from mstudy.workers.on_slurm import SlurmExecutor
from mstudy.workers.surroundings import available_cores

_PRELOAD = "mstudy.train.sweep.job"
_ELSEWHERE = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Crew:
    """What trains. device: as torch names it there. count: processes. sharing: of them, those that share a device's
    memory. is_here: on this machine.
    """

    executor: Executor
    device: str
    count: int
    sharing: int
    is_here: bool


def check_crew(engine: Engine, device: str) -> None:
    """Raise ConfigError for a device that the engine cannot have."""
    if engine.kind == LOCAL:
        torch_device(device)
    elif device not in _ELSEWHERE:
        raise ConfigError(f"--device must be auto, cpu or cuda with the engine {engine.kind}, found {device!r}.")
    elif engine.kind == SLURM and device == "cuda" and not engine.slurm.gpus:
        raise ConfigError("engine.slurm.gpus must be at least 1 for --device cuda, found 0.")


@contextmanager
def crew_of(engine: Engine, store: Store, workers: int | None, device: str) -> Iterator[Crew]:
    """Give the crew, which is gone when the context ends.

    workers: processes; of `slurm`, in each job; of `ray`, tasks at a time. None: all cores; of `slurm` one.
    """
    check_crew(engine, device)
    if engine.kind == LOCAL:
        own = places(torch_device(device), workers or available_cores())
        around = [place.environment for place in own]
        with LocalExecutor(len(own), _PRELOAD, around) as here:
            yield Crew(here, own[0].device, len(own), len(own) if own[0].device == "cpu" else 1, True)
    elif engine.kind == RAY:
        with RayExecutor(engine.ray, workers, {"auto": None, "cpu": False, "cuda": True}[device]) as there:
            sharing = ceil(1 / engine.ray.gpu_share) if there.on_gpu else there.count
            yield Crew(there, "cuda" if there.on_gpu else "cpu", there.count, sharing, False)
    elif engine.kind == SLURM:
        on_gpu = device != "cpu" and engine.slurm.gpus > 0
        count = engine.slurm.gpus if on_gpu else workers or 1
        with SlurmExecutor(engine.slurm, count, store.root.resolve() / "slurm", _PRELOAD) as jobs:
            yield Crew(jobs, "cuda" if on_gpu else "cpu", count, 1 if on_gpu else count, False)
    else:
        raise AssertionError(f"an engine is checked when it is read, found {engine.kind}")
