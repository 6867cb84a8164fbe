"""Truth: closed forms of quadratics and of power laws, and a dense line search in float64 written in numpy."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from mstudy.core.params import Cadence
from mstudy.curvature.critical_sharpness import N_PASSES, critical_sharpness, first_rise
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.network import CURVATURE, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.data.load import load_dataset
from mstudy.data.quadratic import SPECTRUM, load_quadratic
from mstudy.train.ensemble.loop import Training, train_ensemble
from mstudy.train.ensemble.minibatches import MiniBatches

from tests.train.configs import RUN as SMALL

EIGENVALUES = np.array([*SPECTRUM, 1.0])  # of the quadratic's Hessian in (weights, bias)
OPTIMUM = np.append(EIGENVALUES[:16] ** -0.5, 1)
EVERY_ROW = Cadence(dense_steps=12, every={"sharpness": 0, "critical_sharpness": 1}, adaptive_factor=None)
WARM = 2 ** (1 / 32) - 1  # width of the bracket where the search starts within a factor of 2


def of_all(n):
    return dict.fromkeys(("n_train", "probe_samples", "batch_size"), n)


QUADRATIC = replace(SMALL, model="linear", seed=3, cadence=EVERY_ROW, **of_all(512))


def crossing_of(change, first, dtype=torch.float64, loss=0.0):
    """first_rise of the loss + change(s), rounded to the dtype, and the steps that it asked for."""
    asked = []

    def loss_at(steps):
        asked.append(steps.numpy().copy())
        return torch.as_tensor(loss + change(steps.numpy())).to(dtype)

    first = torch.as_tensor(first, dtype=torch.float64)
    return first_rise(torch.full(first.shape, loss, dtype=dtype), loss_at, first), np.array(asked)


def relative_width(found):
    return (found.above / found.below).numpy() - 1


def test_a_parabola_is_met_exactly_from_any_start():
    truth = np.logspace(-5, 5, 101)

    found, asked = crossing_of(lambda s: -s + s**2 / truth, np.ones(101))

    np.testing.assert_allclose(found.at, truth, rtol=1e-9)
    assert (found.below.numpy() <= truth * (1 + 1e-12)).all() and (found.above.numpy() >= truth * (1 - 1e-12)).all()
    assert asked.shape == (N_PASSES, 101) == (7, 101)


def test_the_width_of_the_bracket_after_seven_passes():
    truth = np.logspace(-3, 3, 601)

    def parabola(s):
        return -s + s**2 / truth

    warm, _ = crossing_of(parabola, truth * np.linspace(0.501, 1.999, 601))
    cold, _ = crossing_of(parabola, np.ones(601))

    np.testing.assert_allclose(relative_width(warm), WARM, rtol=1e-9)
    # Two steps, one half an octave beyond the guess and one before it: an octave is left for two or three to halve.
    assert relative_width(cold).max() <= 2 ** (1 / 4) - 1 + 1e-9


@pytest.mark.parametrize("power", [1.2, 1.5, 3.0, 6.0])
def test_of_any_curve_the_truth_is_within_the_error_that_is_stated(power):
    truth = np.logspace(-3, 3, 301)

    def curve(s):
        return -(s / truth) + (s / truth) ** power

    for first, largest_error in ((np.ones(301), 0.75), (truth * np.linspace(0.501, 1.999, 301), 3e-4)):
        found, _ = crossing_of(curve, first)
        value, error = critical_sharpness(found, torch.full((301,), 0.5, dtype=torch.float64))

        assert (np.abs(value.numpy() - 4 / truth) <= error.numpy()).all()
        assert np.abs(found.at.numpy() / truth - 1).max() < largest_error  # three orders away, and a warm start


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: -s, "a straight line never rises"),
        (lambda s: -s - s**2, "along negative curvature it never rises"),
        (lambda s: 0 * s, "a flat loss never rises"),
        (lambda s: s + s**2, "the direction does not descend"),
        (lambda s: s - s**2 / 1e6, "it descends only after it has risen"),
        (lambda s: s * np.nan, "no step has a loss"),
    ],
)
def test_where_no_step_is_the_first_that_raises_the_loss_there_is_none(change, why):
    found, _ = crossing_of(change, [1e-3, 1.0, 1e3])
    value, error = critical_sharpness(found, torch.ones_like(found.at))

    for values in (found.at, value, error):
        assert torch.isnan(values).all(), why


def test_a_loss_that_overflows_counts_as_raised():
    def change(s):
        return np.where(s < 300, -s + s**2 / 100, np.where(s < 400, np.nan, np.inf))

    found, _ = crossing_of(change, [1e4, 350.0])

    np.testing.assert_allclose(found.at, 100, rtol=1e-9)
    assert (found.below <= 100).all() and (found.above >= 100).all()


def test_rounding_that_drowns_the_changes_leaves_no_value():
    slopes = np.array([1e-9, 1e-7, 1e-6, 1e-3, 1e-1])  # float32 rounds a loss near 1 by up to 6e-8

    found, _ = crossing_of(lambda s: slopes * (-s + s**2), np.full(5, 0.7), torch.float32, 1.0)

    assert np.isnan(found.at.numpy()).tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(found.at[3:], 1, rtol=0.01)


def test_rounding_moves_a_value_by_less_than_its_bound():
    # The smallest slope that counts at starts of all phases: off by at most 1 % beside the bracket.
    found, _ = crossing_of(lambda s: 1e-4 * (-s + s**2), np.logspace(-0.3, 0.3, 301), torch.float32, 1.0)

    assert torch.isfinite(found.at).all()
    assert np.abs(found.at.numpy() - 1).max() < 0.01 + WARM


def rows_of(values, network):
    rows = torch.zeros(len(values), network.row_length, dtype=torch.float64)
    rows[:, : network.n_parameters] = torch.as_tensor(values)
    return rows


def test_the_quadratic_in_closed_form(rng):
    """2/eta_c = v^T H v / g^T v for the update -eta v, whatever v is."""
    network, data = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"], torch.float64), load_quadratic()
    x, y = (torch.as_tensor(a, dtype=torch.float64) for a in (data.inputs, data.targets))
    at_w = rng.normal(size=(30, 17))
    gradient = (at_w - OPTIMUM) * EIGENVALUES
    v = gradient + rng.normal(size=(30, 17)) * np.linspace(0, 2, 30)[:, None]
    v *= np.sign((v * gradient).sum(axis=1))[:, None]
    eta = np.logspace(-4, 2, 30)
    w, update = rows_of(at_w, network), rows_of(-eta[:, None] * v, network)
    at = network.evaluate(w, Batch(x, y, shared=True), CURVATURE)

    first = torch.ones(30, dtype=torch.float64)
    found = first_rise(at.loss.clone(), lambda s: at.loss_at(w + s[:, None] * update), first)
    value, error = critical_sharpness(found, torch.as_tensor(eta))

    truth = (v**2 @ EIGENVALUES) / (v * gradient).sum(axis=1)
    np.testing.assert_allclose(value, truth, rtol=1e-6)
    assert (error.numpy() / truth < 0.5).all()


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.0), ("heavy_ball", 0.9), ("nesterov", 0.9)])
@pytest.mark.parametrize("warmup_steps", [0, 5])
def test_what_training_logs_on_the_quadratic_is_the_closed_form(optimizer, momentum, warmup_steps):
    run = replace(QUADRATIC, optimizer=optimizer, momentum=momentum, warmup_steps=warmup_steps, learning_rate=0.03)

    columns = train_ensemble([run], load_quadratic())[0].columns

    w = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"]).initial_weights(3)[:17].double().numpy()
    velocity = np.zeros(17)
    for step, found in enumerate(columns["critical_sharpness"]):
        gradient = (w - OPTIMUM) * EIGENVALUES
        velocity = momentum * velocity + gradient
        v = gradient + momentum * velocity if optimizer == "nesterov" else velocity
        truth = v**2 @ EIGENVALUES / (v @ gradient)
        if truth > 0:
            assert found == pytest.approx(truth, rel=2e-3)
        else:
            assert np.isnan(found)  # momentum carries the weights uphill
        if momentum == 0:
            assert found == pytest.approx(columns["directional_curvature"][step], rel=2e-3)
        w = w - 0.03 * min(1, (step + 1) / max(warmup_steps, 1)) * v
    if momentum == 0:  # from the second row on the search starts from the last one's value
        widths = columns["critical_sharpness_error"] / columns["critical_sharpness"]
        assert np.median(widths) == pytest.approx(WARM, rel=0.03)


def test_it_is_of_the_same_samples_as_the_curvature_along_the_update(rng):
    # A linear model: along the update of a mini-batch, the loss of the first two samples is a parabola.
    data = Dataset("toy", rng.normal(size=(40, 6)), rng.integers(0, 3, size=40), 3)
    run = replace(SMALL, model="linear", probe_samples=2, seed=3, learning_rate=0.05, steps=12, cadence=EVERY_ROW)

    columns = train_ensemble([run], data)[0].columns

    def of(rows, weights):
        x = np.hstack([data.inputs[rows], np.ones((len(rows), 1))])
        misfit = x @ weights - np.eye(3)[data.targets[rows]]
        return (misfit**2).sum() / (2 * len(rows)), x.T @ misfit / len(rows), x.T @ x / len(rows)

    weights = Mlp((6, 3), "tanh", OBJECTIVES["squared_error"]).initial_weights(3)[:21].double().numpy().reshape(7, 3)
    order = MiniBatches(40, 8, [3])
    truths = []
    for step, found in enumerate(columns["critical_sharpness"]):
        v = of(order.at(step)[0], weights)[1]
        _, gradient, factor = of(np.arange(2), weights)
        truths.append((v * (factor @ v)).sum() / (v * gradient).sum())
        assert found == pytest.approx(truths[-1], rel=5e-3) if truths[-1] > 0 else np.isnan(found)
        assert columns["loss"][step] == pytest.approx(of(np.arange(40), weights)[0], rel=1e-5)
        weights = weights - 0.05 * v
    assert min(truths) < 0 < max(truths)


def test_an_update_that_float32_swallows_has_none():
    swallowed = train_ensemble([replace(QUADRATIC, learning_rate=1e-13, steps=3)], load_quadratic())[0]

    assert np.isnan(swallowed.columns["critical_sharpness"]).all()
    assert np.isnan(swallowed.columns["critical_sharpness_error"]).all()


def test_a_step_raises_the_loss_just_where_the_value_is_above_two_over_eta():
    rates = [0.02, 0.3]  # the largest eigenvalue is past 2 / 0.3
    runs = [replace(QUADRATIC, learning_rate=rate, divergence_factor=1e9) for rate in rates]

    for rate, log in zip(rates, train_ensemble(runs, load_quadratic()), strict=True):
        rises = np.diff(log.columns["loss"]) > 0
        np.testing.assert_array_equal(log.columns["critical_sharpness"][:-1] > 2 / rate, rises)
        assert rises.any() == (rate == 0.3)


def loss_of(layers, x, y):
    """Half the mean squared error of the tanh perceptron, in float64."""
    for weight, bias in layers[:-1]:
        x = np.tanh(x @ weight + bias)
    return ((x @ layers[-1][0] + layers[-1][1] - y) ** 2).sum() / (2 * len(x))


def along(layers, update, x, y):
    """eta -> L(w + eta u / 0.1) - L(w), for the update u of a step at the learning rate 0.1."""

    def loss_at(eta):
        moved = [(a + 10 * eta * c, b + 10 * eta * d) for (a, b), (c, d) in zip(layers, update, strict=True)]
        return loss_of(moved, x, y)

    start = loss_at(0.0)
    return lambda eta: loss_at(eta) - start


def layers_of(network, w):
    return [(weight[0].numpy(), bias[0].numpy()) for weight, bias in network.layers(w)]


def terms_along(phi, eta_c):
    """The terms of 2/eta_c that the second, third, fourth, ... derivatives of phi give, by a fit in float64.

    phi(eta) = -G eta + kappa G eta^2 / 2 + T eta^3 / 6 + ..., with G = |g|^2, is zero again at eta_c, so 2/eta_c is
    kappa + T eta_c / (3 G) + ...
    """
    places = 0.35 * eta_c * np.linspace(-1, 1, 61)
    derivatives = np.polynomial.Polynomial.fit(places, [phi(eta) for eta in places], 10).convert().coef
    return [2 * derivatives[k] * eta_c ** (k - 2) / -derivatives[1] for k in range(2, 8)]


def test_digits_against_a_dense_line_search_and_the_curvature_along_the_gradient():
    data = load_dataset("digits")
    run = replace(SMALL, model="mlp-tanh-64-64", steps=3, cadence=replace(EVERY_ROW, dense_steps=3), **of_all(1797))
    training, network = Training([run], data, torch.device("cpu")), Mlp((64, 64, 64, 10), "tanh", None)
    x, y = data.inputs.reshape(1797, 64).astype(float), np.eye(10)[data.targets]
    rows = []
    for _ in range(4):
        rows.append(training._state.w.double())
        training.step()
    columns = training.logs()[0].columns

    for step, (before, after) in enumerate(pairwise(rows)):
        phi = along(layers_of(network, before), layers_of(network, after - before), x, y)
        found, kappa = columns["critical_sharpness"][step], columns["directional_curvature"][step]
        eta_c = 2 / found
        assert max(phi(eta) for eta in eta_c * np.linspace(0.02, 0.995, 40)) < 0  # nothing before it raises the loss
        assert phi(1.005 * eta_c) > 0
        quadratic, *beyond = terms_along(phi, eta_c)
        assert quadratic == pytest.approx(kappa, rel=1e-5)
        assert found == pytest.approx(quadratic + sum(beyond), rel=2e-3)
        # It is the curvature along the gradient but for the third and fourth derivatives: 1 % of it here at first, and
        # 13 % where the least step that raises the loss is longer.
        assert abs(found - kappa) == pytest.approx(abs(sum(beyond[:2])), abs=0.02 * kappa)
        assert found == pytest.approx(kappa, rel=[0.015, 0.015, 0.15][step])
