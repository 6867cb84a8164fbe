"""The training of one ensemble into the store, resumed where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mstudy.core.files import patiently
from mstudy.data.dataset import Dataset
from mstudy.data.load import load_dataset
from mstudy.runlog.format.writer import write_run
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.loop import Training
from mstudy.train.sweep import checkpoint
from mstudy.train.sweep.memory_need import shortage_as_sentence
from mstudy.train.sweep.store import Store, append_timing
from mstudy.train.sweep.under_way import UnderWay
from mstudy.workers.stopping import Interrupted

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Task:
    """Runs to train side by side.

    source: what `load_dataset` takes. device: as torch names it. checkpoint_seconds: work that a kill may cost.
    """

    runs: Sequence[RunConfig]
    source: str
    device: str = "cpu"
    checkpoint_seconds: float = CHECKPOINT_SECONDS


def train_task(store: Store, task: Task, stop: Callable[[], bool] = lambda: False) -> int:
    """Train the task's runs into the store; how many they are.

    Goes on from a checkpoint where there is one, with the very numbers of an undisturbed training. Raises Interrupted,
    after a checkpoint, once `stop()` holds.
    """
    with shortage_as_sentence():
        return _train(store, task, stop)


def _train(store: Store, task: Task, stop: Callable[[], bool]) -> int:
    start = saved_at = time.monotonic()
    path = checkpoint.checkpoint_path(store.root, task.runs)
    training = Training(task.runs, dataset(task.source), torch.device(task.device))
    saved = checkpoint.load(path)
    if saved is not None:
        _restore(training, saved, path)
    with UnderWay(store.root, task.runs) as under_way:
        while not training.finished:
            if stop():
                checkpoint.save(path, training.saved())
                raise Interrupted
            training.step()
            under_way.tell(training.logged)
            if time.monotonic() - saved_at > task.checkpoint_seconds:
                checkpoint.save(path, training.saved())
                saved_at = time.monotonic()
        # The logs appear one by one: a kill between two of them must find the whole ensemble here.
        checkpoint.save(path, training.saved())
        for log in training.logs():
            write_run(store.path(log.config.run_id), log.columns, log.metadata)
            store.seal(log.config.run_id)
    patiently(lambda: path.unlink(missing_ok=True))
    # Last: a kill just before loses the timing, and none is noted twice.
    append_timing(store.root, [run.run_id for run in task.runs], time.monotonic() - start)
    return len(task.runs)


def _restore(training: Training, saved: dict[str, Any], path: Path) -> None:
    """Go on where `saved` was taken. Raises TrainingError where it is not of this training."""
    try:
        training.restore(saved)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # by what is missing or of another kind
        raise checkpoint.damage(path) from None


@lru_cache(maxsize=4)
def dataset(source: str) -> Dataset:
    """Return a data set, loaded once a process."""
    return load_dataset(source)
