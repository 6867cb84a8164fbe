"""Trains what is missing of a study's runs and keeps each finished run in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import torch

from mstudy.core.boundary import say
from mstudy.core.errors import ConfigError
from mstudy.core.files import write_first
from mstudy.core.params import Study
from mstudy.core.sharding.shard import Shard
from mstudy.train.configs import RunConfig, digest, family_of, plan_runs
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.ensemble.schedule import logged_steps
from mstudy.train.sweep.checkpoint import checkpoint_path
from mstudy.train.sweep.devices import places
from mstudy.train.sweep.job import CHECKPOINT_SECONDS, Task, dataset
from mstudy.train.sweep.memory_need import check_memory
from mstudy.train.sweep.output import check_output, materialise
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.settled import NOT_SETTLED, Settled
from mstudy.train.sweep.store import Store
from mstudy.train.sweep.width import MeasuredWidth, choose_width, read_width
from mstudy.workers.local import LocalExecutor
from mstudy.workers.progress import Progress


def train_study(
    name: str,
    study: Study,
    store: Store,
    runs: Path,
    workers: int,
    device: str = "auto",
    settled: Settled = NOT_SETTLED,
) -> int:
    """Train the runs of a study that are not in the store; copy all its runs to the folder `runs`. Return how many were
    trained.

    settled: the record of the study's further seeds.

    Raises TrainingError when a worker dies; KeyboardInterrupt leaves the store with every run finished by then, and
    a checkpoint of each ensemble under way.
    """
    return train_into(name, study_runs(name, study, settled), study, store, runs, workers, device)


def train_into(
    name: str, planned: Sequence[RunConfig], study: Study, store: Store, runs: Path, workers: int, device: str
) -> int:
    """Train the planned runs of a study that are not in the store; make `runs` hold exactly these runs of it.

    Raises what `train_study` does.
    """
    run_ids = [run.run_id for run in planned]
    check_output(runs, store, name, run_ids)
    _tell_damage(store, run_ids)
    n_missing = sum(run_id not in store for run_id in run_ids)
    progress = Progress(f"train {name}", n_missing)
    trained = train_missing(planned, study, store, workers, torch_device(device), progress.advance)
    materialise(store, name, run_ids, runs)
    return trained


def train_shard(
    name: str,
    study: Study,
    store: Store,
    shard: Shard,
    workers: int,
    device: str = "auto",
    settled: Settled = NOT_SETTLED,
) -> int:
    """Train those ensembles of a study that are the shard's and that the store lacks; return how many runs they have.

    Several machines may do so at a time with one store. All take the widths that the first of them measured.
    """
    planned = study_runs(name, study, settled)
    _tell_damage(store, [run.run_id for run in planned])
    n_missing = sum(run.run_id not in store for run in planned)
    progress = Progress(f"train {name}, share {shard} of what all lack", n_missing)
    return train_missing(planned, study, store, workers, torch_device(device), progress.advance, shard=shard)


def _tell_damage(store: Store, run_ids: Sequence[str]) -> None:
    damaged = store.damaged(run_ids)
    if damaged:
        counted = f"found {len(damaged)} that are not, the first at {damaged[0]}"
        say(f"The store must keep each log as it was written, {counted}; their runs are trained anew.")


def study_runs(name: str, study: Study, settled: Settled = NOT_SETTLED) -> list[RunConfig]:
    """Return the study's runs, on the data set that it names. settled: the record of its further seeds."""
    check_study(name, study)  # before the data set is loaded
    return plan_runs(name, study, dataset(study.dataset), settled.seeds)


def check_study(name: str, study: Study) -> None:
    """Raise ConfigError for a model that is not known, or more rows a run than can be listed."""
    family_of(name, study)
    try:
        logged_steps(study.log, study.steps)
    except ConfigError as error:
        raise ConfigError(f"studies.{name}.{error}") from None


def train_missing(
    runs: Sequence[RunConfig],
    study: Study,
    store: Store,
    workers: int,
    device: torch.device,
    on_trained: Callable[[int], None] = lambda n: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    shard: Shard | None = None,
) -> int:
    """Train the runs that the store lacks; how many they were. checkpoint_seconds: the work that a kill may cost.

    shard: train only its ensembles.
    """
    store.create()
    store.seal_unsealed(run.run_id for run in runs)
    missing = {run.run_id for run in runs if run.run_id not in store}
    if not missing:
        return 0
    own = places(device, workers)
    keep_freed_memory()
    with repeatable():  # as a worker does
        measured = widths_of(runs, study, store, len(own), device)
    tasks = []
    # Ensembles of the plan, not of what is missing: a killed sweep goes on with those that it had begun.
    for place, group in enumerate(ensembles(runs, {b: each.width for b, each in measured.items()})):
        if shard is not None and not shard.takes_place(place):
            continue
        if checkpoint_path(store.root, group).exists():
            tasks.append(Task(group, study.dataset, own[0].device, checkpoint_seconds))
        elif lacking := [run for run in group if run.run_id in missing]:
            tasks.append(Task(lacking, study.dataset, own[0].device, checkpoint_seconds))
    count, around = max(1, min(len(own), len(tasks))), [place.environment for place in own]
    train_tasks(store, tasks, LocalExecutor(count, "mstudy.train.sweep.job", around), on_trained)
    return len(missing & {run.run_id for task in tasks for run in task.runs})


def ensembles(runs: Iterable[RunConfig], widths: Mapping[int, int]) -> list[list[RunConfig]]:
    """Return runs that train side by side: one batch size and length each, at most its width, the costliest first.

    Seed by seed, so that a study with a seed more has the same ensembles and new ones; and twins by themselves, so that
    those of the others stay.
    """
    groups = []
    ordered = sorted(runs, key=lambda run: (-run.batch_size, run.n_updates, run.twin is not None, run.seed))
    alike = groupby(ordered, key=lambda run: (run.batch_size, run.n_updates, run.twin is not None))
    for (batch_size, *_), same in alike:
        members, width = list(same), widths[batch_size]
        groups += [members[start : start + width] for start in range(0, len(members), width)]
    return groups


def widths_of(
    runs: Sequence[RunConfig], study: Study, store: Store, workers: int, device: torch.device
) -> dict[int, MeasuredWidth]:
    """Return the ensemble width for each batch size.

    A width measured earlier is read from the store, so that a restart gives the same numbers. It is measured anew where
    its file holds anything else.
    """
    check_memory(runs[0], dataset(study.dataset), device, study.width or 1)
    widths = {}
    for batch_size in sorted({run.batch_size for run in runs}, reverse=True):
        same = [run for run in runs if run.batch_size == batch_size]
        path = store.root / "engines" / f"{_width_key(same, study, workers, device)}.json"
        earlier = read_width(path, batch_size, device, study.width)
        if earlier is not None:
            widths[batch_size] = earlier
            continue
        widths[batch_size] = choose_width(same, dataset(study.dataset), device, workers, study.width)
        if store.root.exists():
            path.unlink(missing_ok=True)  # a damaged one
            write_first(path, json.dumps(asdict(widths[batch_size])).encode(), "The choice of a width")
            widths[batch_size] = read_width(path, batch_size, device, study.width) or widths[batch_size]
    return widths


def _width_key(runs: Sequence[RunConfig], study: Study, workers: int, device: torch.device) -> str:
    run = runs[0]
    setting = [run.dataset, run.n_train, run.model, run.objective, run.batch_size, run.chunk, study.width]
    return digest([setting, workers, str(device), str(torch.__version__)])


def torch_device(name: str) -> torch.device:
    """Return auto (a GPU where there is one), cpu, cuda or cuda:N.

    Raises ConfigError for any other, or a missing GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, found {name!r}.")
    n_gpus = torch.cuda.device_count()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, found {name!r}.") from None
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise ConfigError(f"--device must be a device of this machine, which has {n_gpus} GPUs, found {name!r}.")
    return device
