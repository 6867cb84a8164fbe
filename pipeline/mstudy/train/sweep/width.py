"""How many runs train side by side: measured here, for each model, batch size and device, and bounded by memory.

Small networks train faster together because they share Python's overhead; convolutions and wide layers lose on a CPU.
The best width cannot be known beforehand, so widths are tried in doubling order until another doubling no longer pays.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mstudy.core.params import Cadence
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.memory import free_bytes
from mstudy.train.ensemble.schedule import Schedule
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.sweep.memory_need import shortage_as_sentence

_MAX_WIDTH = {"cpu": 64, "cuda": 1024}
_MAX_LOSSES = 2  # doublings that may lose before the search ends: two stacked networks may, where sixteen gain
_MAX_TIME_RATIO = 0.95  # a wider ensemble must take at most this share of the time, a run and step
_MIN_DOUBTFUL_RATIO = 0.8  # from here on the width before is timed again: a disturbance may have slowed it
_MEMORY_SHARE = 0.5  # of the free memory, for all workers together
_TRIAL_SECONDS = 0.15
_UNREACHED_STEP = 10**9  # a step that no trial reaches

NO_ROWS = Schedule(Cadence(), [_UNREACHED_STEP])


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
    runs: Sequence[RunConfig], data: Dataset, device: torch.device, workers: int, width: int | None = None
) -> MeasuredWidth:
    """Return the fastest width for these runs of one batch size, trained by `workers` processes of one thread each.

    width: the only one to try.
    """
    gentle = min(runs, key=lambda run: run.learning_rate)  # a trial in which members diverge would time nothing
    small, scale = shrunk(gentle)
    limit = min(_MAX_WIDTH[device.type], -(-len(runs) // workers))
    with shortage_as_sentence():
        return _fastest(gentle, small, scale, data, device, workers, [width] if width else _doublings(limit))


def _fastest(
    run: RunConfig,
    small: RunConfig,
    scale: float,
    data: Dataset,
    device: torch.device,
    workers: int,
    candidates: Sequence[int],
) -> MeasuredWidth:
    """Try the widths in turn, on the small run, until another doubling no longer pays."""
    best: MeasuredWidth | None = None
    incumbent: Ensemble | None = None
    worse = 0
    for candidate in candidates:
        ensemble = Ensemble([small] * candidate, data, device)
        megabytes = ensemble.bytes_per_member() * candidate / 1e6
        sharing = workers if device.type == "cpu" else 1  # each process has a GPU of its own
        if best is not None and megabytes > _MEMORY_SHARE * free_bytes(device) / 1e6 / sharing:
            break
        seconds = step_seconds(ensemble, NO_ROWS) / candidate * scale
        if (
            best is not None
            and incumbent is not None
            and _MIN_DOUBTFUL_RATIO < seconds / best.seconds < _MAX_TIME_RATIO
        ):
            again = step_seconds(incumbent, NO_ROWS) / best.width * scale
            best = replace(best, seconds=min(best.seconds, again))
        if best is None or seconds < best.seconds * _MAX_TIME_RATIO:
            worse = 0
            incumbent = ensemble
            best = MeasuredWidth(run.batch_size, ensemble.describe()["engine"], candidate, seconds, megabytes)
        elif seconds > best.seconds / _MAX_TIME_RATIO:
            worse += 1
            if worse == _MAX_LOSSES:
                break
    assert best is not None, "a study has at least one run"
    return best


def _doublings(limit: int) -> list[int]:
    return [2**k for k in range(limit.bit_length())]


def shrunk(run: RunConfig) -> tuple[RunConfig, float]:
    """Return the run on one chunk of its data at most, and how many times longer its own step takes: chunks cost
    alike.
    """
    n_train = min(run.n_train, run.chunk)
    batch_size = min(run.batch_size, n_train)
    small = replace(run, n_train=n_train, batch_size=batch_size, probe_samples=min(run.probe_samples, n_train))
    return small, run.batch_size / batch_size


def step_seconds(ensemble: Ensemble, schedule: Schedule) -> float:
    """Measure the least time of one step of the whole ensemble, over a few."""
    state, rows = ensemble.start(), Rows.empty(len(ensemble.runs))
    ensemble.advance(state, rows, schedule)  # the first touch of memory and of the kernels is not the price of a step
    best, spent = float("inf"), 0.0
    while spent < _TRIAL_SECONDS:
        start = time.perf_counter()
        ensemble.advance(state, rows, schedule)
        if state.w.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        spent += time.perf_counter() - start
    return best
