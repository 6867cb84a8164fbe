"""Truth: made-up timings, whose best width is known."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mstudy.core.params import Grid, Study
from mstudy.data.dataset import Dataset
from mstudy.train.configs import plan_runs
from mstudy.train.sweep import width as sweep_width
from mstudy.train.sweep.step_time import begin_trial, block_seconds, clock_of

CPU = torch.device("cpu")
STUDY = Study(model="mlp-tanh-4", batch_sizes=(8,), eta_ef=Grid(0.1, 0.8, 10), momenta=(0.0,), seeds=10, steps=30)
LONG = replace(STUDY, steps=10_000)


@pytest.fixture
def data():
    return Dataset("toy", np.zeros((40, 6)), np.zeros(40, dtype=np.int64), 3)


@dataclass
class Machine:
    """Steps whose time is made up, and a clock that they move. blocks: the width of each block, in order."""

    seconds: Callable[[int], float]  # of a step of an ensemble, by its width
    disturb: Callable[[], float] = lambda: 1.0  # by what factor a block takes longer
    opening: float = 0.0  # seconds a member
    now: float = 0.0
    blocks: list[int] = field(default_factory=list)

    def begin_trial(self, ensemble, clock):
        self.now += self.opening * len(ensemble.runs) + self.seconds(len(ensemble.runs))
        return SimpleNamespace(ensemble=ensemble)

    def block_seconds(self, trial):
        width = len(trial.ensemble.runs)
        seconds = self.seconds(width) * self.disturb()
        self.now += max(seconds, sweep_width.BLOCK_SECONDS)
        self.blocks.append(width)
        return seconds


@pytest.fixture
def machine(monkeypatch):
    def install(seconds, **others):
        made = Machine(seconds, **others)
        monkeypatch.setattr(sweep_width, "clock_of", lambda device: lambda: made.now)
        monkeypatch.setattr(sweep_width, "begin_trial", made.begin_trial)
        monkeypatch.setattr(sweep_width, "block_seconds", made.block_seconds)
        return made

    return install


SHAPES = {
    "company changes nothing": (lambda k: 1e-3 * k, 1),
    "nearly all of it is shared": (lambda k: 1e-3 + 1e-6 * k, 64),
    "until the cache is full": (lambda k: 1e-3 + 1e-6 * k**3, 8),
    "company costs": (lambda k: 1e-3 * k * (1 if k == 1 else 2), 1),
    "it costs two, and pays four": (lambda k: k**0.5 * 1e-3 * (1 if k == 1 else 2), 64),
}


WIDE = "mlp-tanh-2000-2000"  # so large that the search begins at 1, and can not know what it costs two to pay four


@pytest.mark.parametrize(
    ("model", "shape"),
    [("mlp-tanh-4", shape) for shape in SHAPES] + [(WIDE, shape) for shape in list(SHAPES)[:4]],
)
def test_the_width_is_where_another_doubling_no_longer_pays(data, machine, monkeypatch, model, shape):
    seconds, width = SHAPES[shape]
    monkeypatch.setattr(sweep_width, "free_bytes", lambda device: 1e15)
    machine(seconds)

    chosen = sweep_width.choose_width(plan_runs("s", replace(LONG, model=model), data), data, CPU, workers=1)

    assert (chosen.width, chosen.name, chosen.batch_size) == (width, "explicit", 8)
    assert chosen.seconds == pytest.approx(seconds(width) / width)


@pytest.mark.parametrize("seconds", [seconds for seconds, _ in SHAPES.values()], ids=SHAPES)
def test_with_a_busy_neighbour_the_width_is_within_a_tenth_of_the_best(data, machine, seconds):
    # Half of the blocks take 1.2 to 2.5 times as long, and stretches of blocks do so together.
    runs, losses = plan_runs("s", LONG, data), []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        slow = np.repeat(rng.random(200) < 0.5, 3)
        factors = iter(np.where(slow, rng.uniform(1.2, 2.5, 600), rng.uniform(1, 1.03, 600)).tolist())
        machine(seconds, disturb=lambda factors=factors: next(factors))
        width = sweep_width.choose_width(runs, data, CPU, workers=1).width
        best = min(seconds(2**k) / 2**k for k in range(7))
        losses.append(seconds(width) / width / best)

    assert sum(loss <= 1.1 for loss in losses) >= 38


def test_widths_take_turns(data, machine):
    blocks = machine(lambda k: 1e-3 + 1e-5 * k).blocks

    sweep_width.choose_width(plan_runs("s", LONG, data), data, CPU, workers=1)

    # The likely one, that beside it and 1 in turns. 1 takes 40 times as long and is left out after one block,
    # 32 takes 1.6 times as long and is left out after four.
    assert blocks == [64, 1, 32, *[32, 64] * 2, 32, *[64] * 13]


def test_a_disturbance_of_the_first_block_changes_nothing(data, machine):
    # The first block met a disturbance, so that stacked networks seem to gain; they do not.
    factors = iter([1.0, 2.5, 1.0, 2.5])
    machine(lambda k: 0.8e-3 * k, disturb=lambda: next(factors, 1.0))

    chosen = sweep_width.choose_width(plan_runs("s", LONG, data), data, CPU, workers=1)

    assert (chosen.width, chosen.seconds) == (1, pytest.approx(0.8e-3))


@pytest.mark.parametrize("steps", [1, 30, 300, 3_000, 30_000])
@pytest.mark.parametrize("opening", [0.0, 1e-3])
def test_choosing_takes_at_most_a_twentieth_of_the_training(data, machine, steps, opening):
    made = machine(lambda k: 1e-3 + 1e-4 * k, opening=opening)
    runs = plan_runs("s", replace(STUDY, steps=steps), data)

    chosen = sweep_width.choose_width(runs, data, CPU, workers=2)

    first = 64 * opening + 2 * (1e-3 + 64e-4) + sweep_width.BLOCK_SECONDS  # the first one is always timed
    assert made.now <= max(0.05 * len(runs) * steps * chosen.seconds / 2, first)


@pytest.mark.parametrize(("model", "width"), [("mlp-tanh-4", 32), ("mlp-tanh-300", 8), ("mlp-tanh-2000-2000", 1)])
def test_where_there_is_no_time_to_try_the_size_of_the_model_decides(data, machine, model, width):
    blocks = machine(lambda k: 1e-3).blocks
    study = replace(STUDY, model=model, batch_sizes=(40,), steps=1)
    big = Dataset("toy", np.zeros((40, 600)), np.zeros(40, dtype=np.int64), 3)

    assert sweep_width.choose_width(plan_runs("s", study, big), big, CPU, workers=1).width == width
    assert blocks == [width]


def test_no_wider_than_a_workers_share_of_the_runs(data, machine):
    machine(lambda k: 1e-3)

    widths = {n: sweep_width.choose_width(plan_runs("s", LONG, data)[:20], data, CPU, n).width for n in (1, 2)}

    assert widths == {1: 16, 2: 8}


def test_no_wider_than_memory_allows(data, machine, monkeypatch):
    machine(lambda k: 1e-3)
    runs = plan_runs("s", LONG, data)
    one = sweep_width.choose_width(runs, data, CPU, 1, width=1).megabytes
    monkeypatch.setattr(sweep_width, "free_bytes", lambda device: 2 * 5 * one * 1e6)  # half of it may be used

    assert sweep_width.choose_width(runs, data, CPU, 1).width == 4


def test_a_width_that_is_asked_for_is_taken(data, machine):
    blocks = machine(lambda k: 1e-3 * k**2).blocks

    assert sweep_width.choose_width(plan_runs("s", STUDY, data), data, CPU, 1, width=5).width == 5
    assert blocks == [5]


def test_on_a_cpu_time_is_that_of_this_process():
    clock = clock_of(CPU)
    start = clock()
    time.sleep(0.05)

    assert clock() - start < 0.04


def test_the_time_of_a_step_is_that_of_a_block_over_its_steps(data):
    runs = plan_runs("s", STUDY, data)[:2]
    ticks = iter(np.arange(100) * 0.004)  # each look at the clock is 4 ms later

    trial = begin_trial(sweep_width.Ensemble(runs, data, CPU), lambda: next(ticks))

    assert block_seconds(trial) == pytest.approx(0.004)
    assert trial.state.step == 3  # the first, which is not timed, and two that reach 5 ms


def test_a_trial_sees_one_chunk_and_says_how_many_there_are(data):
    full = replace(plan_runs("s", replace(STUDY, batch_sizes=("full",), chunk=10), data)[0])
    mini = replace(plan_runs("s", replace(STUDY, batch_sizes=(8,), chunk=10), data)[0])

    small, scale = sweep_width.shrunk(full)
    assert (small.n_train, small.batch_size, small.probe_samples, scale) == (10, 10, 10, 4)
    small, scale = sweep_width.shrunk(mini)
    assert (small.n_train, small.batch_size, small.probe_samples, scale) == (10, 8, 10, 1)
