"""Members of one ensemble that follow different rules. Truth: each member trained by itself; a rule by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.branching.treatments import Rule
from mstudy.core.params import Cadence
from mstudy.data.dataset import Dataset
from mstudy.train.branching import Branching
from mstudy.train.ensemble import step as ensemble
from mstudy.train.ensemble.loop import Training, train_ensemble
from mstudy.train.ensemble.update_rule import UPDATE_RULES, UpdateRule

from tests.train.configs import RUN as BASE


def _scaled(gradient, buffers, momentum):
    """Divide a running mean of the gradient by the root of one of its squares.

    It has two buffers, one of a name that heavy ball has too, and is not SGD at momentum 0.
    """
    mean, square = buffers["velocity"], buffers["square"]
    mean.mul_(momentum).add_(gradient * (1 - momentum))
    square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
    return mean / (square.sqrt() + 0.1)


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)


@pytest.fixture
def runs(monkeypatch, mystery):
    """SGD, heavy ball, an optimizer of two buffers, and SGD that goes on with it from step 20 on."""
    monkeypatch.setitem(UPDATE_RULES, mystery.name, UpdateRule(("velocity", "square"), _scaled))
    base = replace(BASE, steps=40, cadence=Cadence(dense_steps=2, growth=0.5, adaptive_factor=1.5))
    other = Rule(mystery.name, 0.02, 0.5)
    return [
        base,
        replace(base, optimizer="heavy_ball", learning_rate=0.01, momentum=0.9),
        replace(base, optimizer=mystery.name, learning_rate=0.02, momentum=0.5),
        replace(base, branching=Branching(20, other)),
    ]


def assert_same(logs, others):
    for a, b in zip(logs, others, strict=True):
        for name, values in a.columns.items():
            np.testing.assert_array_equal(b.columns[name], values, err_msg=name)


def test_each_member_follows_its_own_rule(data, runs):
    assert_same(train_ensemble(runs, data), [train_ensemble([run], data)[0] for run in runs])


def test_a_rule_of_two_buffers_by_hand(data, runs):
    log = train_ensemble([replace(runs[2], model="linear", batch_size=40, steps=4)], data)[0]

    x, y = np.hstack([data.inputs, np.ones((40, 1))]), np.eye(3)[data.targets]
    from mstudy.curvature.mlp_network import Mlp
    from mstudy.curvature.objectives import OBJECTIVES

    w = Mlp((6, 3), "tanh", OBJECTIVES["squared_error"]).initial_weights(0).double().numpy()[:21]
    w = np.vstack([w[:18].reshape(6, 3), w[18:][None]])
    mean = square = 0.0
    for step in range(4):
        error = x @ w - y
        assert log.columns["loss"][step] == pytest.approx((error**2).sum(axis=1).mean() / 2, rel=1e-5)
        gradient = x.T @ error / 40
        mean, square = 0.5 * mean + 0.5 * gradient, 0.99 * square + 0.01 * gradient**2
        w = w - 0.02 * mean / (np.sqrt(square) + 0.1)


def test_buffers_come_back_from_a_checkpoint_and_are_those_of_replayed_steps(data, runs, monkeypatch):
    stepped = train_ensemble(runs, data)

    training = Training(runs, data, torch.device("cpu"))
    while not training.finished:
        if training.steps_done in (7, 20, 25):
            saved = training.saved()
            assert {"velocity", "square"} < saved["state"].keys()
            training = Training(runs, data, torch.device("cpu"))
            training.restore(saved)
        training.step()
    monkeypatch.setitem(ensemble._REPLAYS, "cpu", True)

    assert_same(stepped, training.logs())
    assert_same(stepped, train_ensemble(runs, data))


def test_sgd_alone_carries_nothing(data):
    training = Training([BASE], data, torch.device("cpu"))

    assert "velocity" not in training.saved()["state"]
