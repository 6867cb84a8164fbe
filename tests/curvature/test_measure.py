"""Truth: closed forms of quadratics and of the linear softmax model, written in numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.params import Cadence, Init
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.measure import Probe, edge_ratio, sharpness_of_batches
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.data.quadratic import SPECTRUM, load_quadratic
from mstudy.models.build import build
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.loop import train_ensemble
from mstudy.train.ensemble.minibatches import MiniBatches

from tests.curvature.measuring import measured
from tests.train.configs import RUN as SMALL

EIGENVALUES = np.array([*SPECTRUM, 1.0])  # of the quadratic's Hessian in (weights, bias)
CPU = torch.device("cpu")
RUN = replace(
    SMALL,
    model="linear",
    learning_rate=0.05,
    seed=3,
    steps=4,
    cadence=Cadence(dense_steps=4, batch_sharpness_batches=5, every={"sharpness": 1, "batch_sharpness": 3}),
)


@pytest.fixture
def quadratic():
    """The network and its samples, in float64."""
    network = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"], torch.float64)
    return network, Samples(load_quadratic(), torch.float64, CPU).first(512)


@pytest.fixture
def toy(rng):
    return Dataset("toy", rng.normal(size=(40, 6)), rng.integers(0, 3, size=40), 3)


def padded_rows(values, network):
    rows = torch.zeros(len(values), network.row_length, dtype=torch.float64)
    rows[:, : network.n_parameters] = torch.as_tensor(values)
    return rows


def test_curvature_along_any_direction_of_the_quadratic(quadratic, rng):
    network, batch = quadratic
    w, u = (padded_rows(rng.normal(size=(20, 17)), network) for _ in range(2))
    u[:17, :17] = torch.eye(17)
    scales = torch.logspace(-100, 100, 20, dtype=torch.float64)[:, None]

    found = measured(Probe(network, batch, 4096), w, u * scales, None, u, None)

    d = u[:, :17].numpy()
    np.testing.assert_allclose(found.directional_curvature, d**2 @ EIGENVALUES / (d**2).sum(axis=1), rtol=1e-11)
    e = w[:, :17].numpy() - np.append(EIGENVALUES[:16] ** -0.5, 1)
    np.testing.assert_allclose(found.loss, e**2 @ EIGENVALUES / 2, rtol=1e-11)
    assert not hasattr(found, "sharpness") and not hasattr(found, "sharpness_residual")  # not asked for


def test_an_update_whose_square_leaves_the_range_of_float32():
    network = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"])
    batch = Samples(load_quadratic(), torch.float32, CPU).first(512)
    update = torch.zeros(2, network.row_length)
    update[:, :17] = torch.tensor([[1e-25], [1e25]])

    found = measured(Probe(network, batch, 4096), torch.zeros_like(update), update, None, update, None)

    np.testing.assert_allclose(found.directional_curvature, EIGENVALUES.mean(), rtol=1e-5)


def test_sharpness_of_the_quadratic(quadratic, rng):
    network, batch = quadratic
    w, first, second = (padded_rows(rng.normal(size=(5, 17)), network) for _ in range(3))
    product = network.evaluate(w, batch, CURVATURE).hessian_operator()
    top = top_eigenpair(product, first, first, torch.zeros_like(first), second)
    start = torch.cat([first, second], dim=1)

    found = measured(Probe(network, batch, 4096), w, None, start, first, None)

    np.testing.assert_allclose(found.sharpness, max(SPECTRUM), rtol=1e-3)
    v = top.vector[:, :17].numpy()
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, rtol=1e-9)
    residual = np.linalg.norm(v * EIGENVALUES - found.sharpness.numpy()[:, None] * v, axis=1)
    np.testing.assert_allclose(found.sharpness_residual, residual, rtol=1e-6)
    assert torch.equal(start, torch.cat([top.vector, top.second], dim=1))  # where the next search starts
    assert not hasattr(found, "directional_curvature")


def test_batch_sharpness_of_the_full_batch_has_no_error(quadratic, rng):
    network, batch = quadratic
    w = padded_rows(rng.normal(size=(4, 17)), network)

    mean, error = sharpness_of_batches([network.evaluate(w, batch, CURVATURE)])

    gradient = (w[:, :17].numpy() - np.append(EIGENVALUES[:16] ** -0.5, 1)) * EIGENVALUES
    np.testing.assert_allclose(mean, gradient**2 @ EIGENVALUES / (gradient**2).sum(axis=1), rtol=1e-11)
    assert error.tolist() == [0.0] * 4


def test_curvature_of_the_linear_softmax_model(rng):
    # H = mean over samples of (diag(p) - p p^T) (x) x x^T, x with a 1 for the bias behind it; weights class by class.
    n, n_in, n_classes = 9, 4, 3
    network = Mlp((n_in, n_classes), "tanh", OBJECTIVES["cross_entropy"], torch.float64)
    x, labels = rng.normal(size=(n, n_in)), rng.integers(0, n_classes, n)
    w, u = (padded_rows(rng.normal(size=(2, 15)), network) for _ in range(2))
    batch = Batch(torch.tensor(x), torch.eye(n_classes, dtype=torch.float64)[torch.tensor(labels)], shared=True)
    start = torch.cat([u, u], dim=1)

    found = measured(Probe(network, batch, 4096), w, u, start, u, None)

    ones = np.hstack([x, np.ones((n, 1))])
    for k in range(2):
        logits = ones @ w[k, :15].numpy().reshape(n_in + 1, n_classes)
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        parts = [np.kron(np.diag(q) - np.outer(q, q), np.outer(z, z)) for q, z in zip(p, ones, strict=True)]
        hessian, along = np.mean(parts, axis=0), u[k, :15].numpy().reshape(n_in + 1, n_classes).T.ravel()
        assert found.loss[k].item() == pytest.approx(-np.log(p[np.arange(n), labels]).mean(), rel=1e-12)
        assert found.directional_curvature[k].item() == pytest.approx(along @ hessian @ along / (along @ along))
        assert found.sharpness[k].item() == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-3)


def linear_step(data, rows, weights):
    """Loss, gradient and the Hessian's factor X^T X / n of a linear model under squared error."""
    x = np.hstack([data.inputs[rows], np.ones((len(rows), 1))])
    misfit = x @ weights - np.eye(3)[data.targets[rows]]
    return (misfit**2).sum() / (2 * len(rows)), x.T @ misfit / len(rows), x.T @ x / len(rows)


def curvature_of(factor, direction):
    return np.einsum("ic,ij,jc->", direction, factor, direction) / (direction**2).sum()


def trajectory(data, run):
    """The run's weights (7, 3) before each step and its gradients, in float64."""
    network = Mlp((6, 3), "tanh", OBJECTIVES["squared_error"])
    weights = network.initial_weights(run.seed)[:21].double().numpy().reshape(7, 3)
    order = MiniBatches(run.n_train, run.batch_size, [run.seed])
    for step in range(run.steps + 1):
        gradient = linear_step(data, order.at(step)[0], weights)[1]
        yield step, weights, gradient
        weights = weights - run.learning_rate * gradient


def test_batch_sharpness_and_its_error_over_the_batches_drawn(toy):
    run = replace(RUN, steps=5, cadence=replace(RUN.cadence, dense_steps=5))

    columns = train_ensemble([run], toy)[0].columns

    order, measured = MiniBatches(40, 8, [3]), []
    for step, weights, _ in trajectory(toy, run):
        if step in (0, 3, 5):  # every third row, and the last
            parts = [linear_step(toy, rows, weights) for rows in order.drawn(step, 5)[:, 0]]
            ratios = [curvature_of(factor, gradient) for _, gradient, factor in parts]
            measured.append(step)
            assert columns["batch_sharpness"][step] == pytest.approx(np.mean(ratios), rel=1e-5)
            expected = np.std(ratios, ddof=1) / np.sqrt(5)
            assert columns["batch_sharpness_se"][step] == pytest.approx(expected, rel=1e-4)
    assert np.flatnonzero(np.isfinite(columns["batch_sharpness"])).tolist() == measured


def test_each_member_has_draws_of_its_own_seed(toy):
    runs = [replace(RUN, seed=seed) for seed in (3, 4)]

    together = train_ensemble(runs, toy)

    for run, log in zip(runs, together, strict=True):
        alone = train_ensemble([run], toy)[0]
        np.testing.assert_array_equal(log.columns["batch_sharpness"], alone.columns["batch_sharpness"])
    assert together[0].columns["batch_sharpness"][0] != together[1].columns["batch_sharpness"][0]


@pytest.mark.parametrize("batch_size", [8, 40])
def test_curvature_of_a_subset_beside_the_loss_of_all(toy, batch_size):
    run = replace(RUN, batch_size=batch_size, probe_samples=11)

    columns = train_ensemble([run], toy)[0].columns

    for step, weights, gradient in trajectory(toy, run):
        loss = linear_step(toy, np.arange(40), weights)[0]
        factor = linear_step(toy, np.arange(11), weights)[2]
        assert columns["loss"][step] == pytest.approx(loss, rel=1e-5)
        assert columns["directional_curvature"][step] == pytest.approx(curvature_of(factor, gradient), rel=1e-5)
        assert columns["sharpness"][step] == pytest.approx(np.linalg.eigvalsh(factor)[-1], rel=1e-2)


def small_network(model):
    """A network of three classes, and ten samples."""
    torch.manual_seed(0)
    if model.startswith("mlp"):
        network, x = Mlp((6, 5, 3), "tanh", OBJECTIVES["cross_entropy"]), torch.randn(10, 6)
    else:
        network = ModuleNetwork(lambda: build(model, (1, 4, 4), 3), OBJECTIVES["cross_entropy"])
        x = torch.randn(10, 1, 4, 4)
    return network, Batch(x, torch.eye(3)[torch.randint(3, (10,))], shared=True)


@pytest.mark.parametrize("model", ["mlp-tanh-5", "cnn-tanh-2"])
def test_the_steps_own_evaluation_serves_as_well_as_a_fresh_one(model):
    network, batch = small_network(model)
    w = torch.stack([network.initial_weights(seed) for seed in range(3)])
    starts = [torch.ones(len(w), 2 * w.shape[1], dtype=w.dtype) for _ in range(2)]
    probe, at = Probe(network, batch, 4096), network.evaluate(w, batch, CURVATURE)
    update = at.gradient().clone()  # as a step does, before anything is measured

    shared = measured(probe, w, update, starts[0], update, at)
    fresh = measured(probe, w, update, starts[1], update, None)

    for name, values in vars(fresh).items():
        assert torch.isfinite(values).all()
        assert torch.equal(getattr(shared, name), values), name
    assert torch.equal(*starts)


@pytest.mark.parametrize(("model", "members"), [("mlp-tanh-5", 3), ("cnn-tanh-2", 1), ("cnn-tanh-2", 3)])
def test_an_evaluation_may_be_asked_for_anything_again(model, members, rng):
    # A quantity must not have to know which others are asked for in the same row.
    network, batch = small_network(model)
    w = torch.stack([network.initial_weights(seed) for seed in range(members)])
    d, other = torch.zeros(2, *w.shape)
    for rows in (d, other):
        rows[:, : network.n_parameters] = torch.tensor(rng.normal(size=(members, network.n_parameters)))
    asked = {
        "along d": lambda at: at.curvature_along(d),
        "along another": lambda at: at.curvature_along(other),
        "product": lambda at: at.hessian_operator()(d),
        "gradient": lambda at: at.gradient(),
    }
    fresh = {name: ask(network.evaluate(w, batch, CURVATURE)).clone() for name, ask in asked.items()}

    at = network.evaluate(w, batch, CURVATURE)

    for name in [*asked, *reversed(asked)]:
        torch.testing.assert_close(asked[name](at), fresh[name], rtol=1e-5, atol=1e-6, msg=name)


def test_a_full_batch_run_logs_the_same_when_it_measures_by_itself(toy):
    # The second half of the data is a copy of the first: 20 samples to measure on leave the step's evaluation unused.
    doubled = replace(toy, inputs=toy.inputs[[*range(20), *range(20)]], targets=toy.targets[[*range(20), *range(20)]])
    full = replace(RUN, batch_size=40, model="mlp-tanh-5")

    shared, fresh = (train_ensemble([replace(full, probe_samples=samples)], doubled)[0].columns for samples in (40, 20))

    for name in ("loss", "directional_curvature", "batch_sharpness"):
        np.testing.assert_allclose(shared[name], fresh[name], rtol=1e-5)


def test_edge_ratio_of_gradient_descent_on_the_quadratic(quadratic, rng):
    network, batch = quadratic
    w, eta = padded_rows(rng.normal(size=(6, 17)), network), torch.logspace(-3, 0, 6, dtype=torch.float64)
    at = network.evaluate(w, batch, CURVATURE)
    loss, gradient = at.loss.clone(), at.gradient().clone()
    update = -eta[:, None] * gradient
    after = network.evaluate(w + update, batch, CURVATURE).loss

    found = edge_ratio(loss, after, (gradient * update).sum(dim=1))

    g = gradient[:, :17].numpy()
    np.testing.assert_allclose(found, eta.numpy() / 2 * (g**2 @ EIGENVALUES) / (g**2).sum(axis=1), rtol=1e-9)


def test_edge_ratio_is_nan_where_rounding_drowns_it():
    # float32 rounds a loss by up to 6e-8 of it: a slope of 400 times that, 2.384e-5, is the least that is trusted.
    loss, slopes = 2.0, -2.0 * np.array([1e-9, 1e-6, 2.38e-5, 2.39e-5, 1e-3])

    found = edge_ratio(torch.tensor(loss), torch.tensor(loss + slopes / 2), torch.tensor(slopes))

    assert np.isnan(found.numpy()).tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(found[3:], 0.5, rtol=1e-9)


@pytest.mark.parametrize("batch_size", [8, 40])
def test_logged_edge_ratio_belongs_to_the_steps_own_batch(toy, batch_size):
    run = replace(RUN, batch_size=batch_size, cadence=Cadence(dense_steps=4, every={"edge_ratio": 1}))

    found = train_ensemble([run], toy)[0].columns["edge_ratio"]

    order = MiniBatches(40, batch_size, [3])
    for step, _, gradient in trajectory(toy, run):
        factor = linear_step(toy, order.at(step)[0], np.zeros((7, 3)))[2]
        assert found[step] == pytest.approx(0.05 / 2 * curvature_of(factor, gradient), rel=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("degree", [3, 5])
def test_sharpness_of_an_odd_network_from_its_first_row_on(degree, seed):
    """Without biases and on symmetric points gradient and last vector stay in one symmetry, the truth in another."""
    x = np.linspace(-1, 1, 20)[:, None]
    y = np.polynomial.Chebyshev.basis(degree)(x)
    cadence = Cadence(dense_steps=8, every={"sharpness": 1}, adaptive_factor=None)
    run = replace(
        SMALL, n_train=20, batch_size=20, probe_samples=20, model="mlp-tanh-100", seed=seed, steps=8, cadence=cadence,
        init=Init("xavier_normal", gain=1.9, zero_biases=True),
    )  # fmt: skip

    found = train_ensemble([run], Dataset("chebyshev", x, y, 1))[0].columns["sharpness"]

    w = Mlp((1, 100, 1), "tanh", OBJECTIVES["squared_error"], init=run.init).initial_weights(seed)[:301].double()

    def loss(w):
        hidden = torch.tanh(torch.tensor(x) @ w[:100][None] + w[100:200])
        return (hidden @ w[200:300] + w[300] - torch.tensor(y)[:, 0]).square().mean() / 2

    assert len(found) == 9
    for value in found:
        assert value == pytest.approx(torch.linalg.eigvalsh(torch.func.hessian(loss)(w))[-1].item(), rel=0.01)
        w = w - run.learning_rate * torch.func.grad(loss)(w)
