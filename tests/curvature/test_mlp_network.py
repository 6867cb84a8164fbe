"""Truth: torch.func on the same network written plainly, in float64; a dense Hessian."""

import itertools

import pytest
import torch
from mstudy.curvature.activation_derivatives import ACTIVATIONS
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.network import CURVATURE, GRADIENT, Batch
from mstudy.curvature.objectives import OBJECTIVES

CASES = [
    *(((5, 3), "tanh", objective) for objective in OBJECTIVES),
    *(((5, 4, 4, 3), "tanh", objective) for objective in OBJECTIVES),
    *(((5, 4, 3), activation, "cross_entropy") for activation in ACTIVATIONS),
]


def plain_loss(w, widths, activation, x, y, objective):
    h, start = x, 0
    shapes = list(itertools.pairwise(widths))
    for index, (n_in, n_out) in enumerate(shapes):
        weight = w[start : start + n_in * n_out].view(n_in, n_out)
        bias = w[start + n_in * n_out : start + n_in * n_out + n_out]
        start += n_in * n_out + n_out
        h = h @ weight + bias
        if index < len(shapes) - 1:
            h = torch.tanh(h) if activation == "tanh" else getattr(torch.nn.functional, activation)(h)
    if objective == "squared_error":
        return ((h - y) ** 2).sum(dim=1).mean() / 2
    return torch.nn.functional.cross_entropy(h, y)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    widths, activation, objective = request.param
    network = Mlp(widths, activation, OBJECTIVES[objective], torch.float64)
    torch.manual_seed(1)
    w = torch.stack([network.initial_weights(seed) for seed in (0, 1, 2)])
    x, y = torch.randn(7, 5, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[torch.randint(3, (7,))]
    direction = torch.randn_like(w)
    direction[:, network.n_parameters :] = 0  # the padding of a row stays empty
    at = network.evaluate(w, Batch(x, y, shared=True), CURVATURE)
    return network, w, direction, at, lambda v: plain_loss(v, widths, activation, x, y, objective)


def test_loss_and_gradient_against_autograd(case):
    _, w, _, at, plain = case

    gradient = at.gradient()

    for i in range(3):
        torch.testing.assert_close(at.loss[i], plain(w[i]))
        torch.testing.assert_close(gradient[i], torch.func.grad(plain)(w[i]))


def test_curvature_along_a_direction_against_dense_hessian(case):
    _, w, direction, at, plain = case

    curvature = at.curvature_along(direction)

    for i in range(3):
        expected = direction[i] @ torch.func.hessian(plain)(w[i]) @ direction[i]
        torch.testing.assert_close(curvature[i], expected, rtol=1e-9, atol=1e-10)


def test_hessian_product_against_dense_hessian_twice(case):
    _, w, direction, at, plain = case
    product = at.hessian_operator()

    first, second = product(direction), product(2 * direction)  # the operator must survive its own scratch

    for i in range(3):
        expected = torch.func.hessian(plain)(w[i]) @ direction[i]
        torch.testing.assert_close(first[i], expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(second, 2 * first)


def test_curvature_needs_an_evaluation_that_prepared_for_it():
    network = Mlp((4, 3, 2), "tanh", OBJECTIVES["squared_error"])
    w = network.initial_weights(0)[None]

    at = network.evaluate(w, Batch(torch.ones(5, 4), torch.ones(5, 2), shared=True), GRADIENT)

    with pytest.raises(ValueError, match="order=CURVATURE"):
        at.curvature_along(w)


def test_initial_weights_depend_on_the_seed_alone():
    network = Mlp((64, 64, 10), "tanh", OBJECTIVES["squared_error"])

    assert torch.equal(network.initial_weights(3), network.initial_weights(3))
    assert not torch.equal(network.initial_weights(3), network.initial_weights(4))
    assert network.initial_weights(3).abs().max() <= 64**-0.5
