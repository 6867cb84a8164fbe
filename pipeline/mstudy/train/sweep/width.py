"""How many runs train side by side: measured here, for each model, batch size and device, and bounded by memory.

Small networks gain from company, since the interpreter's time is shared; convolutions and wide layers lose on a CPU.
Nobody can tell beforehand, so widths are tried in doubling order until another doubling no longer pays.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mstudy.core.params import Cadence
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.memory import free_bytes
from mstudy.train.ensemble.schedule import Schedule
from mstudy.train.ensemble.step import Ensemble

_MAX_WIDTH = {"cpu": 64, "cuda": 1024}
_PATIENCE = 2  # doublings that may lose before the search ends: two stacked networks may, where sixteen gain
_PAYS = 0.95  # a wider ensemble must take at most this share of the time, a run and step
_PLAINLY = 0.8  # above this share the one before is timed again, next to it: it may have met a disturbance
_SHARE_OF_MEMORY = 0.5
_SECONDS_A_TRIAL = 0.15
_FAR = 10**9  # a step that no trial reaches

NOTHING = Schedule(Cadence(), [_FAR])


@dataclass(frozen=True)
class Engine:
    """How the runs of one batch size train.

    name: "explicit" or "autograd". width: runs side by side; 1 is a plain loop over runs. seconds: of one step of one
    run, without logging. megabytes: of one ensemble.
    """

    batch_size: int
    name: str
    width: int
    seconds: float
    megabytes: float


def choose_engine(
    runs: Sequence[RunConfig], data: Dataset, device: torch.device, workers: int, width: int | None = None
) -> Engine:
    """Return the fastest width for these runs of one batch size, trained by `workers` processes of one thread each.

    width: the only one to try.
    """
    gentle = min(runs, key=lambda run: run.learning_rate)  # a trial in which members diverge would time nothing
    small, scale = shrunk(gentle)
    limit = min(_MAX_WIDTH[device.type], -(-len(runs) // workers))
    best: Engine | None = None
    incumbent: Ensemble | None = None
    worse = 0
    for candidate in [width] if width else _doublings(limit):
        ensemble = Ensemble([small] * candidate, data, device)
        megabytes = ensemble.bytes_per_member() * candidate / 1e6
        if best is not None and megabytes > _SHARE_OF_MEMORY * free_bytes(device) / 1e6 / workers:
            break
        seconds = step_seconds(ensemble, NOTHING) / candidate * scale
        if best is not None and incumbent is not None and _PLAINLY < seconds / best.seconds < _PAYS:
            again = step_seconds(incumbent, NOTHING) / best.width * scale
            best = replace(best, seconds=min(best.seconds, again))
        if best is None or seconds < best.seconds * _PAYS:
            worse = 0
            incumbent = ensemble
            best = Engine(gentle.batch_size, ensemble.describe()["engine"], candidate, seconds, megabytes)
        elif seconds > best.seconds / _PAYS:
            worse += 1
            if worse == _PATIENCE:
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
    while spent < _SECONDS_A_TRIAL:
        start = time.perf_counter()
        ensemble.advance(state, rows, schedule)
        if state.w.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        spent += time.perf_counter() - start
    return best
