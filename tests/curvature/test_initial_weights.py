"""Truth: the standard deviations of Glorot and Bengio 2010 and He et al. 2015 in closed form; PyTorch's own draws."""

import math

import pytest
import torch
from mstudy.core.params import Init
from mstudy.curvature.initial_weights import begin_module
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.models.build import build

N_IN, N_OUT = 300, 500
SPREADS = {"xavier": math.sqrt(2 / (N_IN + N_OUT)), "kaiming": math.sqrt(1 / N_IN)}


def layers_of(init, widths=(N_IN, N_OUT, 2), seed=0):
    network = Mlp(widths, "tanh", OBJECTIVES["squared_error"], torch.float64, init)
    return network.layers(network.initial_weights(seed)[None])


@pytest.mark.parametrize("shape", ["uniform", "normal"])
@pytest.mark.parametrize("kind", ["xavier", "kaiming"])
def test_weights_have_the_spread_that_their_name_says(kind, shape):
    weight, _ = layers_of(Init(f"{kind}_{shape}", gain=1.9))[0]
    spread = 1.9 * SPREADS[kind]

    assert weight.mean().item() == pytest.approx(0, abs=4 * spread / math.sqrt(N_IN * N_OUT))
    assert weight.std().item() == pytest.approx(spread, rel=0.01)
    largest = weight.abs().max().item() / spread
    assert (largest <= math.sqrt(3)) == (shape == "uniform")


def test_a_factor_and_no_biases_change_no_draw():
    plain, changed = layers_of(Init()), layers_of(Init(scale=2.5, zero_biases=True))

    for (weight, bias), (scaled, none) in zip(plain, changed, strict=True):
        assert torch.equal(scaled, 2.5 * weight)
        assert bias.abs().min() > 0
        assert torch.equal(none, torch.zeros_like(bias))


def test_seeds_differ_and_repeat():
    init = Init("xavier_normal")

    assert torch.equal(layers_of(init)[0][0], layers_of(init)[0][0])
    assert not torch.equal(layers_of(init)[0][0], layers_of(init, seed=1)[0][0])


def fresh(init, model="cnn-relu-8-16", seed=0, size=8):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return begin_module(build(model, (1, size, size), 10), init)


def test_the_weights_of_a_convolution_count_its_kernel():
    module = fresh(Init("kaiming_normal", gain=math.sqrt(2)), "cnn-relu-8-256")
    (second,) = [layer for layer in module.modules() if getattr(layer, "out_channels", 0) == 256]

    assert second.weight.std().item() == pytest.approx(math.sqrt(2 / (8 * 9)), rel=0.03)


def test_normalisation_begins_as_ever():
    inits = Init(), Init("xavier_uniform", 3.0, 2.0, True)
    plain, changed = (fresh(init, "resnet18-group-8", size=12) for init in inits)
    pairs = dict(zip(plain.named_parameters(), changed.named_parameters(), strict=True))
    norms = [(a, b) for (name, a), (_, b) in pairs.items() if a.ndim == 1 and "weight" in name]

    assert norms
    assert all(torch.equal(a, b) for a, b in norms)
    assert not all(torch.equal(a, b) for (_, a), (_, b) in pairs.items())


def test_pytorchs_own_draws_stay_by_default():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        own = build("cnn-relu-8-16", (1, 8, 8), 10)

    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), fresh(Init()).parameters(), strict=True))
