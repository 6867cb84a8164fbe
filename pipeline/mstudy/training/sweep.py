"""Trains what is missing of a study's runs, on every core, and keeps each finished run in the store."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import groupby
from multiprocessing.connection import wait
from pathlib import Path

import torch

from mstudy.errors import TrainingError
from mstudy.params import Study
from mstudy.progress import Progress
from mstudy.runlog.store import Store
from mstudy.runlog.timing import append_timing
from mstudy.runlog.writer import write_run
from mstudy.training.datasets import Dataset, load_dataset
from mstudy.training.ensemble import train_ensemble
from mstudy.training.plan import RunConfig, plan_runs
from mstudy.training.probe import SAMPLES_AT_ONCE

MAX_WIDTH = 64  # wider ensembles gain nothing on a CPU: measured in benchmarks/training.py


def train_study(name: str, study: Study, store: Store, runs: Path, workers: int) -> int:
    """Train what the store lacks of a study, copy all its runs to the folder `runs`; how many were trained."""
    planned = study_runs(name, study)
    n_missing = sum(run.run_id not in store for run in planned)
    progress = Progress(f"train {name}", n_missing)
    trained = train_missing(planned, store, workers, progress.advance)
    store.materialise([run.run_id for run in planned], runs)
    return trained


def study_runs(name: str, study: Study) -> list[RunConfig]:
    """The study's runs, on the data set that it names."""
    data = dataset(study.dataset)
    return plan_runs(name, study, len(data.labels), data.inputs.shape[1], data.n_classes)


def ensembles(runs: Iterable[RunConfig]) -> list[list[RunConfig]]:
    """Runs that train side by side: one batch size each, as many as the cache holds, the costliest first.

    Seed by seed, so that a study with a seed more has the same ensembles and new ones.
    """
    groups = []
    ordered = sorted(runs, key=lambda run: (-run.batch_size, run.seed))
    for batch_size, same in groupby(ordered, key=lambda run: run.batch_size):
        members = list(same)
        width = min(MAX_WIDTH, max(1, SAMPLES_AT_ONCE // batch_size))
        groups += [members[start : start + width] for start in range(0, len(members), width)]
    return groups


def train_missing(
    runs: Sequence[RunConfig], store: Store, workers: int, on_trained: Callable[[int], None] = lambda n: None
) -> int:
    """Train the runs that the store lacks, on `workers` processes of one thread each; how many were trained.

    on_trained is told how many runs have just entered the store. Raises TrainingError when a worker dies;
    KeyboardInterrupt leaves the store with every run finished by then.
    """
    store.create()
    # Ensembles of the plan, not of what is missing: a killed sweep then goes on with the very ensembles that an
    # undisturbed one trains, and a member's rounding depends (in the last digit) on its place in memory.
    planned = ([run for run in task if run.run_id not in store] for task in ensembles(runs))
    tasks = [task for task in planned if task]
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            on_trained(_train_into(store.root, task))
    elif tasks:
        _train_in_pool(store, tasks, min(workers, len(tasks)), on_trained)
    return sum(len(task) for task in tasks)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _train_in_pool(store: Store, tasks: list[list[RunConfig]], workers: int, on_trained: Callable[[int], None]) -> None:
    # forkserver: torch is imported once, and no worker inherits the state of a thread.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mstudy.training.ensemble"])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        for future in as_completed([pool.submit(_train_into, store.root, task) for task in tasks]):
            on_trained(future.result())
    except BrokenProcessPool:
        raise TrainingError(
            "Every training worker must live until its runs are done, found one killed (out of memory?); "
            f"finished runs are kept in {store.root}, so run the same command again."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a run under way is finished and kept
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    wait([sentinel])
    os._exit(1)


def _train_into(root: Path, task: list[RunConfig]) -> int:
    start = time.monotonic()
    data = dataset(task[0].dataset).first(task[0].n_train)
    device = torch.device("cpu")
    for log in train_ensemble(task, data, device):
        write_run(Store(root).path(log.config.run_id), log.columns, log.metadata(device))
    append_timing(root, [run.run_id for run in task], time.monotonic() - start)
    return len(task)


@lru_cache(maxsize=4)
def dataset(name: str) -> Dataset:
    """A data set, loaded once a process."""
    return load_dataset(name)
