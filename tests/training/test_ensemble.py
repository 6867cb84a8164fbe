"""Truth: a plain loop with torch.optim.SGD; closed forms of a linear network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.training.datasets import Dataset
from mstudy.training.ensemble import train_ensemble
from mstudy.training.minibatches import minibatches
from mstudy.training.mlp import Mlp
from mstudy.training.objectives import OBJECTIVES
from mstudy.training.plan import RunConfig

BASE = RunConfig(
    study="t",
    dataset="toy",
    n_train=40,
    model="mlp-tanh-6-5-3",
    objective="squared_error",
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.0,
    batch_size=8,
    seed=0,
    steps=12,
    divergence_factor=1000.0,
    dense_steps=12,
    growth=0.05,
    sharpness_every=4,
)


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40))


def plain_losses(config, data):
    """Full training losses before each step, by autograd and torch.optim.SGD."""
    network = Mlp(config.widths, OBJECTIVES[config.objective])
    w = network.initial_weights(config.seed)[None].requires_grad_()
    x, y = torch.tensor(data.inputs, dtype=torch.float32), torch.eye(3)[torch.tensor(data.labels)]
    optimizer = torch.optim.SGD([w], config.learning_rate, config.momentum, nesterov=config.optimizer == "nesterov")
    order, losses = minibatches(config.n_train, config.batch_size, config.seed), []

    def loss_of(rows):
        (w1, b1), (w2, b2) = network.layers(w)
        out = torch.tanh(x[rows] @ w1[0] + b1[0]) @ w2[0] + b2[0]
        return ((out - y[rows]) ** 2).sum(dim=1).mean() / 2

    for _ in range(config.steps + 1):
        losses.append(loss_of(slice(None)).item())
        optimizer.zero_grad()
        loss_of(next(order)).backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.0), ("heavy_ball", 0.9), ("nesterov", 0.5)])
@pytest.mark.parametrize("batch_size", [8, 40])
def test_losses_against_torch_optim(data, optimizer, momentum, batch_size):
    config = replace(BASE, optimizer=optimizer, momentum=momentum, batch_size=batch_size)

    log = train_ensemble([config], data)[0]

    np.testing.assert_allclose(log.columns["loss"], plain_losses(config, data), rtol=2e-5)
    assert log.columns["step"].tolist() == list(range(13))


def test_a_member_depends_on_its_company_in_rounding_alone(data):
    others = [replace(BASE, seed=s, learning_rate=r) for s in (0, 1, 2) for r in (0.01, 0.1, 50.0)]
    alone = train_ensemble([BASE], data)[0]

    together = train_ensemble(others, data)[1]

    assert together.config == BASE
    for name, values in alone.columns.items():  # rounding of float32, early in training
        np.testing.assert_allclose(together.columns[name], values, rtol=2e-5, err_msg=name)


def test_a_pair_starts_alike(data):
    sgd, sgdm = train_ensemble([BASE, replace(BASE, momentum=0.9, optimizer="heavy_ball")], data)

    assert sgd.columns["loss"][0] == sgdm.columns["loss"][0]
    assert sgd.columns["batch_loss"][0] == sgdm.columns["batch_loss"][0]
    assert sgd.columns["loss"][5] != sgdm.columns["loss"][5]


def test_a_diverged_member_is_recorded_and_leaves(data):
    logs = train_ensemble([replace(BASE, learning_rate=500.0), BASE], data)

    assert [log.status for log in logs] == ["diverged", "completed"]
    assert logs[0].diverged_step is not None
    assert logs[0].columns["step"][-1] < logs[0].diverged_step
    assert np.isfinite(logs[0].columns["loss"]).all()
    assert logs[1].columns["step"][-1] == 12


def test_a_finite_loss_beyond_the_factor_is_divergence_too(data):
    rising = replace(BASE, learning_rate=2.5, batch_size=40)

    strict, lenient = (train_ensemble([replace(rising, divergence_factor=factor)], data)[0] for factor in (1.05, 1e12))

    losses = lenient.columns["batch_loss"]
    assert np.isfinite(losses).all()
    assert strict.diverged_step == int(np.argmax(losses > 1.05 * losses[0])) > 0


def test_an_ensemble_may_diverge_whole(data):
    logs = train_ensemble([replace(BASE, learning_rate=rate, batch_size=40) for rate in (500.0, 900.0)], data)

    assert [log.status for log in logs] == ["diverged", "diverged"]


def test_directional_curvature_and_sharpness_of_a_linear_network(data):
    # Closed form: H = A / n for each class, A = [x 1]^T [x 1]; kappa = sum_c u_c^T A u_c / n / ||u||^2.
    config = replace(BASE, model="mlp-tanh-6-3", batch_size=40, steps=3, dense_steps=3, sharpness_every=1)
    x = np.hstack([data.inputs, np.ones((40, 1))])
    hessian = x.T @ x / 40

    log = train_ensemble([config], data)[0]

    w = Mlp(config.widths, OBJECTIVES["squared_error"]).initial_weights(0).double().numpy()
    weights = np.vstack([w[:18].reshape(6, 3), w[18:][None]])
    gradient = x.T @ (x @ weights - np.eye(3)[data.labels]) / 40
    expected = np.einsum("ic,ij,jc->", gradient, hessian, gradient) / (gradient**2).sum()
    assert log.columns["directional_curvature"][0] == pytest.approx(expected, rel=1e-4)
    # Lanczos stops at a residual of 5 %; the eigenvalue is then right to about its square.
    np.testing.assert_allclose(log.columns["sharpness"], np.linalg.eigvalsh(hessian)[-1], rtol=0.01)


def test_curvature_is_measured_along_the_real_update_with_momentum(data):
    # Quadratic loss: L(w + u) = L + g.u + u^T H u / 2 exactly, so kappa follows from two losses and the slope.
    config = replace(BASE, model="mlp-tanh-6-3", batch_size=40, momentum=0.9, optimizer="heavy_ball", steps=4)
    columns = train_ensemble([config], data)[0].columns
    x = np.hstack([data.inputs, np.ones((40, 1))])
    network = Mlp(config.widths, OBJECTIVES["squared_error"])
    w = network.initial_weights(0).double().numpy()
    w, velocity = np.vstack([w[:18].reshape(6, 3), w[18:][None]]), 0.0
    for step in range(4):
        gradient = x.T @ (x @ w - np.eye(3)[data.labels]) / 40
        velocity = 0.9 * velocity + gradient
        update = -0.1 * velocity
        rise = columns["loss"][step + 1] - columns["loss"][step]
        kappa = 2 * (rise - (gradient * update).sum()) / (update**2).sum()
        assert columns["directional_curvature"][step] == pytest.approx(kappa, rel=5e-3)
        w = w + update
