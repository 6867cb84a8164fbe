"""Trains what is missing of a study's runs and keeps each finished run in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch

from mstudy.core.boundary import say
from mstudy.core.engines.engine_params import HERE, Engine
from mstudy.core.errors import ConfigError
from mstudy.core.params import Study
from mstudy.core.sharding.shard import Shard
from mstudy.train.configs import RunConfig, family_of, plan_runs
from mstudy.train.ensemble.schedule import logged_steps
from mstudy.train.sweep.checkpoint import checkpoint_path
from mstudy.train.sweep.job import CHECKPOINT_SECONDS, Task, dataset
from mstudy.train.sweep.output import check_output, materialise
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.processes.crew import Crew, check_crew, crew_of
from mstudy.train.sweep.settled import NOT_SETTLED, Settled
from mstudy.train.sweep.store import Store
from mstudy.train.sweep.widths import measured_by
from mstudy.workers.progress import Progress


def train_study(
    name: str,
    study: Study,
    store: Store,
    runs: Path,
    workers: int | None,
    device: str = "auto",
    settled: Settled = NOT_SETTLED,
    engine: Engine = HERE,
) -> int:
    """Train the runs of a study that are not in the store; copy all its runs to the folder `runs`. Return how many were
    trained.

    settled: the record of the study's further seeds.

    Raises TrainingError when a worker dies; KeyboardInterrupt leaves the store with every run finished by then, and
    a checkpoint of each ensemble under way.
    """
    return train_into(name, study_runs(name, study, settled), study, store, runs, workers, device, engine)


def train_into(
    name: str,
    planned: Sequence[RunConfig],
    study: Study,
    store: Store,
    runs: Path,
    workers: int | None,
    device: str,
    engine: Engine = HERE,
) -> int:
    """Train the planned runs of a study that are not in the store; make `runs` hold exactly these runs of it.

    Raises what `train_study` does.
    """
    run_ids = [run.run_id for run in planned]
    check_output(runs, store, name, run_ids)
    _tell_damage(store, run_ids)
    n_missing = sum(run_id not in store for run_id in run_ids)
    progress = Progress(f"train {name}", n_missing)
    trained = train_missing(planned, study, store, workers, device, progress.advance, engine=engine)
    materialise(store, name, run_ids, runs)
    return trained


def train_shard(
    name: str,
    study: Study,
    store: Store,
    shard: Shard,
    workers: int | None,
    device: str = "auto",
    settled: Settled = NOT_SETTLED,
    engine: Engine = HERE,
) -> int:
    """Train those ensembles of a study that are the shard's and that the store lacks; return how many runs they have.

    Several machines may do so at a time with one store. All take the widths that the first of them measured.
    """
    planned = study_runs(name, study, settled)
    _tell_damage(store, [run.run_id for run in planned])
    n_missing = sum(run.run_id not in store for run in planned)
    progress = Progress(f"train {name}, share {shard} of what all lack", n_missing)
    return train_missing(planned, study, store, workers, device, progress.advance, shard=shard, engine=engine)


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
    workers: int | None,
    device: str | torch.device,
    on_trained: Callable[[int], None] = lambda n: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    shard: Shard | None = None,
    engine: Engine = HERE,
) -> int:
    """Train the runs that the store lacks; how many they were. checkpoint_seconds: the work that a kill may cost.

    workers: as of `crew_of`. shard: train only its ensembles.
    """
    check_crew(engine, str(device))
    store.create()
    store.seal_unsealed(run.run_id for run in runs)
    missing = {run.run_id for run in runs if run.run_id not in store}
    if not missing:
        return 0
    with crew_of(engine, store, workers, str(device)) as crew:
        tasks = _tasks(runs, study, store, crew, missing, checkpoint_seconds, shard)
        train_tasks(store, tasks, crew.executor, on_trained)
    return len(missing & {run.run_id for task in tasks for run in task.runs})


def _tasks(
    runs: Sequence[RunConfig],
    study: Study,
    store: Store,
    crew: Crew,
    missing: Collection[str],
    checkpoint_seconds: float,
    shard: Shard | None,
) -> list[Task]:
    """Return the ensembles to train: those of the shard that are begun, or that lack runs."""
    measured = measured_by(crew, runs, study, store)
    tasks = []
    # Ensembles of the plan, not of what is missing: a killed sweep goes on with those that it had begun.
    for place, group in enumerate(ensembles(runs, {b: each.width for b, each in measured.items()})):
        if shard is not None and not shard.takes_place(place):
            continue
        if checkpoint_path(store.root, group).exists():
            tasks.append(Task(group, study.dataset, crew.device, checkpoint_seconds))
        elif lacking := [run for run in group if run.run_id in missing]:
            tasks.append(Task(lacking, study.dataset, crew.device, checkpoint_seconds))
    return tasks


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
