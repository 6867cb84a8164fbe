"""Truth: made-up timings, whose sums are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.params import Cadence, Grid, Study
from mstudy.core.quantities import DIRECTIONAL_CURVATURE, SHARPNESS
from mstudy.data.dataset import Dataset
from mstudy.plan import training_cost as estimate
from mstudy.train import stage as sweep
from mstudy.train.configs import plan_runs
from mstudy.train.ensemble.schedule import logged_steps
from mstudy.train.sweep import width as sweep_width
from mstudy.train.sweep.store import Store

CPU = torch.device("cpu")
STUDY = Study(model="mlp-tanh-4", batch_sizes=(8,), eta_ef=Grid(0.1, 0.8, 10), momenta=(0.0,), seeds=10, steps=30)


@pytest.fixture
def data():
    return Dataset("toy", np.zeros((40, 6)), np.zeros(40, dtype=np.int64), 3)


def test_the_estimate_adds_up(data, monkeypatch, tmp_path):
    # A bare step of two members takes 2 s, a row with the curvature 6 s more, the sharpness 20 s more than a bare row.
    cadence = Cadence(dense_steps=10, growth=0.5, every={"sharpness": 3})
    study = replace(STUDY, log=cadence, width=2, steps=30)
    runs = plan_runs("s", study, data)

    def step_seconds(ensemble, schedule, device):
        return 2.0 + 6.0 * schedule.asks(DIRECTIONAL_CURVATURE, 5) + 20.0 * schedule.asks(SHARPNESS, 5)

    monkeypatch.setattr(sweep_width, "block_seconds", lambda trial: 2.0)
    monkeypatch.setattr(estimate, "step_seconds", step_seconds)
    monkeypatch.setattr(estimate, "study_runs", lambda name, study, settled: runs)
    for module in (estimate, sweep):
        monkeypatch.setattr(module, "dataset", lambda source: data)

    plan = estimate.estimate_study("s", study, Store(tmp_path / "none"), 2, CPU)

    n_rows = len(logged_steps(cadence, 30))
    assert (plan.n_runs, plan.n_missing, plan.workers) == (100, 100, 2)
    assert plan.estimates[0].training == pytest.approx(100 * 30 * 1.0)
    assert plan.estimates[0].logging == pytest.approx(100 * (n_rows * 3.0 + n_rows / 3 * 10.0))
    assert plan.seconds == pytest.approx((plan.estimates[0].training + plan.estimates[0].logging) / 2)
    assert plan.replays
    assert plan.as_text().endswith("the replays of adaptive logging come on top")
    assert "replays" not in replace(plan, replays=False).as_text()
    assert not (tmp_path / "none").exists()  # a plan leaves nothing behind where nothing was
