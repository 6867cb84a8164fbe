"""Truth: torch.func on the same network written plainly, in float64; a dense Hessian."""

import itertools

import numpy as np
import pytest
import torch
from mstudy.training.mlp import Mlp, tanh_
from mstudy.training.objectives import OBJECTIVES

WIDTHS = [(5, 3), (5, 4, 3), (5, 4, 4, 3)]


def plain_loss(w, widths, x, y, objective):
    h, start = x, 0
    shapes = list(itertools.pairwise(widths))
    for index, (n_in, n_out) in enumerate(shapes):
        weight = w[start : start + n_in * n_out].view(n_in, n_out)
        bias = w[start + n_in * n_out : start + n_in * n_out + n_out]
        start += n_in * n_out + n_out
        h = h @ weight + bias
        if index < len(shapes) - 1:
            h = torch.tanh(h)
    if objective == "squared_error":
        return ((h - y) ** 2).sum(dim=1).mean() / 2
    return torch.nn.functional.cross_entropy(h, y)


@pytest.fixture(params=[(w, o) for w in WIDTHS for o in OBJECTIVES], ids=str)
def case(request):
    widths, objective = request.param
    network = Mlp(widths, OBJECTIVES[objective], torch.float64)
    torch.manual_seed(1)
    w = torch.stack([network.initial_weights(seed) for seed in (0, 1, 2)])
    x, y = torch.randn(7, 5, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[torch.randint(3, (7,))]
    plain = [lambda v: plain_loss(v, widths, x, y, objective)] * 3
    return network, w, torch.randn_like(w), network.forward(w, x, y), plain


def test_loss_and_gradient_against_autograd(case):
    network, w, _, at, plain = case

    gradient = network.gradient(w, at)

    for i, loss in enumerate(plain):
        torch.testing.assert_close(at.loss[i], loss(w[i]))
        torch.testing.assert_close(gradient[i], torch.func.grad(loss)(w[i]))


def test_curvature_along_a_direction_against_dense_hessian(case):
    network, w, direction, at, plain = case

    curvature = network.curvature_along(w, direction, at)

    for i, loss in enumerate(plain):
        expected = direction[i] @ torch.func.hessian(loss)(w[i]) @ direction[i]
        torch.testing.assert_close(curvature[i], expected, rtol=1e-9, atol=1e-10)


def test_hessian_product_against_dense_hessian_twice(case):
    network, w, direction, at, plain = case
    product = network.hessian_operator(w, at)

    first, second = product(direction).clone(), product(2 * direction)  # the operator must survive its own scratch

    for i, loss in enumerate(plain):
        expected = torch.func.hessian(loss)(w[i]) @ direction[i]
        torch.testing.assert_close(first[i], expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(second, 2 * first)


def test_numpy_tanh_is_float32_exact_to_rounding():
    z = torch.linspace(-20, 20, 100_001)
    exact = np.tanh(z.double().numpy())

    found = tanh_(z.clone()).double().numpy()

    assert np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1e-30)) < 5e-7


def test_initial_weights_depend_on_the_seed_alone():
    network = Mlp((64, 64, 10), OBJECTIVES["squared_error"])

    assert torch.equal(network.initial_weights(3), network.initial_weights(3))
    assert not torch.equal(network.initial_weights(3), network.initial_weights(4))
    assert network.initial_weights(3).abs().max() <= 64**-0.5
