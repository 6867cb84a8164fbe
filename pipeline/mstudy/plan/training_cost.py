"""How long a study will take here, from a few seconds of measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from mstudy.core.params import Study
from mstudy.core.quantities import CHOSEN, Quantity, Samples
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.ensemble.schedule import Schedule, logged_steps
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.stage import study_runs
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.processes.devices import places
from mstudy.train.sweep.settled import NOT_SETTLED, Settled
from mstudy.train.sweep.step_time import NO_ROWS, step_seconds
from mstudy.train.sweep.store import Store
from mstudy.train.sweep.width import MeasuredWidth, shrunk
from mstudy.train.sweep.widths import widths_of

_STEPS = list(range(10**4))  # every step of a trial is logged
_TRIAL_MEMBERS = 2


@dataclass(frozen=True)
class Estimate:
    """What the runs of one batch size will take.

    engine: the width at which they train; so `mstudy plan --json` calls it.
    n_runs: those to train. training, logging: seconds of one core, or of the GPU.
    """

    engine: MeasuredWidth
    n_runs: int
    training: float
    logging: float


@dataclass(frozen=True)
class Plan:
    """What training a study would cost. `seconds`: at most so much wall time, because diverging runs end early.

    replays: adaptive logging trains some steps twice, as many as the curvature has jumps; they are not in `seconds`.
    """

    study: str
    n_runs: int
    n_missing: int
    workers: int
    device: str
    seconds: float
    replays: bool
    estimates: list[Estimate]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def as_text(self) -> str:
        """Return a table to read: one line a batch size, and the sum."""
        head = (
            f"{'b':>6} {'runs':>5} {'engine':>9} {'width':>5} {'step, us':>9} {'MB':>6} {'training':>9} {'logging':>8}"
        )
        lines = [
            f"{e.engine.batch_size:>6} {e.n_runs:>5} {e.engine.name:>9} {e.engine.width:>5} "
            f"{e.engine.seconds * 1e6:>9.0f} {e.engine.megabytes:>6.0f} {e.training:>7.0f} s {e.logging:>6.0f} s"
            for e in self.estimates
        ]
        cores = f"{self.workers} {'cores' if self.device == 'cpu' else self.device}"
        cores = self.device if self.workers == 1 and self.device != "cpu" else cores
        counts = f"{self.study}: {self.n_runs} runs, {self.n_missing} to train"
        total = f"{counts}, at most about {self.seconds:.0f} s on {cores}"
        on_top = "; the replays of adaptive logging come on top" if self.replays else ""
        return "\n".join([head, *lines, total + on_top])


def estimate_study(
    name: str, study: Study, store: Store, workers: int, device: torch.device, settled: Settled = NOT_SETTLED
) -> Plan:
    """Return one estimate a batch size, and the wall time of all. settled: the record of the study's further seeds."""
    runs = study_runs(name, study, settled)
    missing = [run for run in runs if run.run_id not in store]
    workers = len(places(device, workers))
    keep_freed_memory()
    with repeatable():  # as a worker does
        measured = widths_of(runs, study, store, workers, device)
        estimates = [_estimate(each, missing, dataset(study.dataset), device) for each in measured.values()]
    seconds = sum(e.training + e.logging for e in estimates) / workers
    return Plan(
        name, len(runs), len(missing), workers, str(device), seconds, study.log.adaptive_factor is not None, estimates
    )


def _estimate(engine: MeasuredWidth, missing: Sequence[RunConfig], data: Dataset, device: torch.device) -> Estimate:
    same = [run for run in missing if run.batch_size == engine.batch_size]
    if not same:
        return Estimate(engine, 0, 0.0, 0.0)
    run = min(same, key=lambda run: run.learning_rate)
    training = run.steps * engine.seconds * len(same)
    # On a CPU logging costs a member the same in any company; a GPU measures many for little more than one.
    width = _TRIAL_MEMBERS if device.type == "cpu" else min(engine.width, len(same))
    return Estimate(engine, len(same), training, _logging_seconds(run, data, device, width) * len(same))


def _logging_seconds(run: RunConfig, data: Dataset, device: torch.device, width: int) -> float:
    """Estimate the seconds that one run spends on its log: bare rows, and each quantity at its own cadence."""
    cadence, (small, batch_scale) = run.cadence, shrunk(run)
    scales = {Samples.TRAINING_SET: run.probe_samples / small.probe_samples, Samples.MINI_BATCH: batch_scale}
    trial = Ensemble([small] * width, data, device)
    bare_step = step_seconds(trial, NO_ROWS, device)
    never = cadence.measuring(**{quantity.name: 0 for quantity in CHOSEN})

    def row(*measured: Quantity) -> float:
        every = never.measuring(**{quantity.name: 1 for quantity in measured})
        return max(step_seconds(trial, Schedule(every, _STEPS), device) - bare_step, 0.0) / width

    n_rows, bare_row = len(logged_steps(cadence, run.steps)), row()
    total = n_rows * bare_row * scales[Samples.TRAINING_SET]
    for quantity in CHOSEN:
        if every := cadence.interval(quantity):
            total += n_rows / every * max(row(quantity) - bare_row, 0.0) * scales[quantity.samples]
    return total
