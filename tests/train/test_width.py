"""Truth: made-up timings, whose best width is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.params import Grid, Study
from mstudy.data.dataset import Dataset
from mstudy.train.configs import plan_runs
from mstudy.train.sweep import width as sweep_width

CPU = torch.device("cpu")
STUDY = Study(model="mlp-tanh-4", batch_sizes=(8,), eta_ef=Grid(0.1, 0.8, 10), momenta=(0.0,), seeds=10, steps=30)


@pytest.fixture
def data():
    return Dataset("toy", np.zeros((40, 6)), np.zeros(40, dtype=np.int64), 3)


@pytest.fixture
def clock(monkeypatch):
    """Let a step of an ensemble of width k take seconds[k]; widths that were tried."""
    tried = []

    def install(seconds):
        def step_seconds(ensemble, schedule):
            tried.append(len(ensemble.runs))
            return seconds(len(ensemble.runs))

        monkeypatch.setattr(sweep_width, "step_seconds", step_seconds)
        return tried

    return install


@pytest.mark.parametrize(
    ("seconds", "width", "trials"),
    [
        (lambda k: 1e-3 * k, 1, [1, 2, 4, 8, 16, 32, 64]),  # company changes nothing: no company
        (lambda k: 1e-3 + 1e-6 * k, 64, [1, 2, 4, 8, 16, 32, 64]),  # nearly all of it is shared
        (lambda k: 1e-3 + 1e-6 * k**3, 8, [1, 2, 4, 8, 16, 32]),  # until the cache is full
        (lambda k: 1e-3 * k * (1 if k == 1 else 2), 1, [1, 2, 4]),  # company costs
        (lambda k: k**0.5 * 1e-3 * (1 if k == 1 else 2), 64, [1, 2, 4, 8, 16, 32, 64]),  # it costs two, and pays four
    ],
)
def test_the_width_is_where_another_doubling_no_longer_pays(data, clock, seconds, width, trials):
    tried = clock(seconds)

    chosen = sweep_width.choose_width(plan_runs("s", STUDY, data), data, CPU, workers=1)

    assert (chosen.width, chosen.name, chosen.batch_size) == (width, "explicit", 8)
    assert chosen.seconds == pytest.approx(seconds(width) / width)
    assert tried == trials


def test_a_small_gain_must_hold_when_the_one_before_is_timed_again(data, monkeypatch):
    # A loop of 1 ms met a disturbance, so two stacked networks at 0.9 ms seem to gain; they do not, nor do four.
    times = {1: iter([1.0e-3, 0.8e-3]), 2: iter([1.8e-3]), 4: iter([3.6e-3])}
    monkeypatch.setattr(sweep_width, "step_seconds", lambda ensemble, schedule: next(times[len(ensemble.runs)]))

    chosen = sweep_width.choose_width(plan_runs("s", STUDY, data), data, CPU, workers=1)

    assert (chosen.width, chosen.seconds) == (1, 0.8e-3)


def test_no_wider_than_a_workers_share_of_the_runs(data, clock):
    clock(lambda k: 1e-3)

    widths = {n: sweep_width.choose_width(plan_runs("s", STUDY, data)[:20], data, CPU, n).width for n in (1, 2)}

    assert widths == {1: 16, 2: 8}


def test_no_wider_than_memory_allows(data, clock, monkeypatch):
    clock(lambda k: 1e-3)
    runs = plan_runs("s", STUDY, data)
    one = sweep_width.choose_width(runs, data, CPU, 1, width=1).megabytes
    monkeypatch.setattr(sweep_width, "free_bytes", lambda device: 2 * 5 * one * 1e6)  # half of it may be used

    assert sweep_width.choose_width(runs, data, CPU, 1).width == 4


def test_a_width_that_is_asked_for_is_taken(data, clock):
    tried = clock(lambda k: 1e-3 * k**2)

    assert sweep_width.choose_width(plan_runs("s", STUDY, data), data, CPU, 1, width=5).width == 5
    assert tried == [5]


def test_a_trial_sees_one_chunk_and_says_how_many_there_are(data):
    full = replace(plan_runs("s", replace(STUDY, batch_sizes=("full",), chunk=10), data)[0])
    mini = replace(plan_runs("s", replace(STUDY, batch_sizes=(8,), chunk=10), data)[0])

    small, scale = sweep_width.shrunk(full)
    assert (small.n_train, small.batch_size, small.probe_samples, scale) == (10, 10, 10, 4)
    small, scale = sweep_width.shrunk(mini)
    assert (small.n_train, small.batch_size, small.probe_samples, scale) == (10, 8, 10, 1)
