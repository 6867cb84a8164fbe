"""How many runs train side by side at each batch size: as the store says, or measured where they train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from mstudy.core.files import write_first
from mstudy.core.params import Study
from mstudy.train.configs import RunConfig, digest
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.memory_need import check_memory
from mstudy.train.sweep.processes.crew import Crew
from mstudy.train.sweep.store import Store
from mstudy.train.sweep.width import MeasuredWidth, choose_width, read_width
from mstudy.workers.executor import in_order


def measured_by(crew: Crew, runs: Sequence[RunConfig], study: Study, store: Store) -> dict[int, MeasuredWidth]:
    """Return the ensemble widths, measured by the crew where it trains."""
    device = torch.device(crew.device)
    measure = partial(_measure, study, store, crew.count, device, crew.sharing)
    if crew.is_here:
        return measure(runs)
    known = _known_widths(runs, study, store, crew.count, device)
    return known or next(in_order(crew.executor.work(measure, [runs])))


def _measure(
    study: Study, store: Store, workers: int, device: torch.device, sharing: int, runs: Sequence[RunConfig]
) -> dict[int, MeasuredWidth]:
    keep_freed_memory()
    with repeatable():  # as a worker does
        return widths_of(runs, study, store, workers, device, sharing)


def _known_widths(
    runs: Sequence[RunConfig], study: Study, store: Store, workers: int, device: torch.device
) -> dict[int, MeasuredWidth] | None:
    """Return the widths that the store has; None where it lacks one."""
    found = {}
    for batch_size in {run.batch_size for run in runs}:
        same = [run for run in runs if run.batch_size == batch_size]
        path = _width_path(same, study, store, workers, device)
        found[batch_size] = read_width(path, batch_size, device, study.width)
    known = {batch_size: width for batch_size, width in found.items() if width is not None}
    return known if len(known) == len(found) else None


def widths_of(
    runs: Sequence[RunConfig],
    study: Study,
    store: Store,
    workers: int,
    device: torch.device,
    sharing: int | None = None,
) -> dict[int, MeasuredWidth]:
    """Return the ensemble width for each batch size. sharing: of the workers, those that share a device's memory.

    A width measured earlier is read from the store, so that a restart gives the same numbers. It is measured anew where
    its file holds anything else.
    """
    check_memory(runs[0], dataset(study.dataset), device, study.width or 1)
    widths = {}
    for batch_size in sorted({run.batch_size for run in runs}, reverse=True):
        same = [run for run in runs if run.batch_size == batch_size]
        path = _width_path(same, study, store, workers, device)
        earlier = read_width(path, batch_size, device, study.width)
        if earlier is not None:
            widths[batch_size] = earlier
            continue
        widths[batch_size] = choose_width(same, dataset(study.dataset), device, workers, study.width, sharing)
        if store.root.exists():
            path.unlink(missing_ok=True)  # a damaged one
            write_first(path, json.dumps(asdict(widths[batch_size])).encode(), "The choice of a width")
            widths[batch_size] = read_width(path, batch_size, device, study.width) or widths[batch_size]
    return widths


def _width_path(runs: Sequence[RunConfig], study: Study, store: Store, workers: int, device: torch.device) -> Path:
    run = runs[0]
    setting = [run.dataset, run.n_train, run.model, run.objective, run.batch_size, run.chunk, study.width]
    key = digest([setting, workers, str(device), str(torch.__version__)])
    return store.root / "engines" / f"{key}.json"
