"""How many runs train side by side: measured here, for each model, batch size and device, and bounded by memory.

Small networks train faster together because they share Python's overhead; convolutions and wide layers lose on a CPU.
The size of a model says about where the best width is; trials say which one it is, for a small share of the training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.memory import free_bytes
from mstudy.train.ensemble.step import ROWS_TOUCHED, Ensemble
from mstudy.train.sweep.memory_need import shortage_as_sentence
from mstudy.train.sweep.step_time import BLOCK_SECONDS, Clock, Trial, begin_trial, block_seconds, clock_of
from mstudy.train.sweep.width_search import Times, choose, search

_MAX_WIDTH = {"cpu": 64, "cuda": 1024}
# What an ensemble touches in a step once the overhead that its runs share is small against their arithmetic, in bytes.
# On a CPU measured on perceptrons, convolutions and a transformer; a GPU does some hundred times the arithmetic.
_TOUCHED_BYTES = {"cpu": 4e7, "cuda": 1e10}
_MEMORY_SHARE = 0.5  # of the free memory, for all workers together
# Of the training's time, as seen in the trials, that the choice may take: less than the twentieth that is promised,
# since beside a neighbour steps seem to take longer than they will. One block is timed in any case.
_CHOICE_SHARE = 0.04


@dataclass(frozen=True)
class MeasuredWidth:
    """How many runs of one batch size train side by side, and what was measured there.

    name: how the derivatives are computed, "explicit" or "autograd". width: runs side by side; 1 is a plain loop over
    runs. seconds: of one step of one run, without logging. megabytes: of one ensemble.
    """

    batch_size: int
    name: str
    width: int
    seconds: float
    megabytes: float


def read_width(path: Path, batch_size: int, device: torch.device, width: int | None) -> MeasuredWidth | None:
    """Return a width measured earlier; None where the file is not there, or holds anything but such a width.

    width: the only one that may be.
    """
    try:
        content = path.read_text(encoding="utf-8") if path.is_file() else "null"
        measured = MeasuredWidth(**json.loads(content))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    possible = range(width, width + 1) if width else range(1, _MAX_WIDTH[device.type] + 1)
    whole = type(measured.width) is type(measured.batch_size) is int and measured.batch_size == batch_size
    return measured if whole and measured.width in possible and _is_measured(measured) else None


def _is_measured(found: MeasuredWidth) -> bool:
    """Return whether the values of the file can have been measured: finite numbers, a time above 0, a known engine."""
    numbers = all(type(each) is float and math.isfinite(each) for each in (found.seconds, found.megabytes))
    return numbers and found.seconds > 0 and found.name in (Mlp.engine, ModuleNetwork.engine)


def choose_width(
    runs: Sequence[RunConfig],
    data: Dataset,
    device: torch.device,
    workers: int,
    width: int | None = None,
    sharing: int | None = None,
) -> MeasuredWidth:
    """Return the fastest width for these runs of one batch size, trained by `workers` processes of one thread each.

    width: the only one to try. sharing: of the processes, those that share a device's memory; None: all that share a
    CPU, while each has a GPU of its own.
    """
    together = sharing or (workers if device.type == "cpu" else 1)
    gentle = min(runs, key=lambda run: run.learning_rate)  # a trial in which members diverge would time nothing
    small, scale = shrunk(gentle)
    n_steps = sum(run.n_updates for run in runs) * scale / workers
    with shortage_as_sentence():
        clock = clock_of(device)
        trials = _Trials(small, data, device, clock, clock(), n_steps)
        limit = min(_MAX_WIDTH[device.type], -(-len(runs) // workers))
        seconds = {width: trials.block(width)} if width else _measured(trials, limit, together)
    best = choose(seconds)
    ensemble = trials.ensemble(best)
    megabytes = ensemble.bytes_per_member() * best / 1e6
    return MeasuredWidth(gentle.batch_size, ensemble.describe()["engine"], best, seconds[best] * scale, megabytes)


def _measured(trials: _Trials, limit: int, sharing: int) -> dict[int, float]:
    """Return the seconds of a step of one run by width, of those that were tried."""
    one = trials.ensemble(1)
    fitting = _MEMORY_SHARE * free_bytes(trials.device) / sharing / one.bytes_per_member()
    widths = [2**k for k in range(max(1, min(limit, int(fitting))).bit_length())]
    likely = _TOUCHED_BYTES[trials.device.type] / one.bytes_per_member(ROWS_TOUCHED)
    return search(widths, min(widths, key=lambda width: abs(math.log(width / likely))), trials.block, trials.may_try)


@dataclass(frozen=True)
class _Trials:
    """Trials of some widths, each of which goes on where it was left.

    started: when, by the clock. n_steps: of the training, of one run each, by a worker. opening: seconds until a width
    had made its first step.
    """

    run: RunConfig
    data: Dataset
    device: torch.device
    clock: Clock
    started: float
    n_steps: float
    ensembles: dict[int, Ensemble] = field(default_factory=dict)
    begun: dict[int, Trial] = field(default_factory=dict)
    opening: dict[int, float] = field(default_factory=dict)

    def ensemble(self, width: int) -> Ensemble:
        """Return so many runs side by side."""
        if width not in self.ensembles:
            self.ensembles[width] = Ensemble([self.run] * width, self.data, self.device)
        return self.ensembles[width]

    def block(self, width: int) -> float:
        """Return the seconds of a step of one run at this width, over a block of steps."""
        start = self.clock()
        if width not in self.begun:
            self.begun[width] = begin_trial(self.ensemble(width), self.clock)
            self.opening[width] = self.clock() - start
        return block_seconds(self.begun[width]) / width

    def may_try(self, width: int, times: Times) -> bool:
        """Return whether a block of this width, and what was spent so far, are a small share of the training."""
        known = width if width in times else max(times)
        wider = max(1.0, width / known)  # a narrower ensemble takes no longer than a wider one
        cost = max(BLOCK_SECONDS, min(times[known]) * known * wider)
        if width not in times:
            cost += self.opening[known] * wider
        training = self.n_steps * min(min(each) for each in times.values())
        return self.clock() - self.started + cost <= _CHOICE_SHARE * training


def shrunk(run: RunConfig) -> tuple[RunConfig, float]:
    """Return the run on one chunk of its data at most, and how many times longer its own step takes: chunks cost
    alike.
    """
    n_train = min(run.n_train, run.chunk)
    batch_size = min(run.batch_size, n_train)
    small = replace(run, n_train=n_train, batch_size=batch_size, probe_samples=min(run.probe_samples, n_train))
    return small, run.batch_size / batch_size
