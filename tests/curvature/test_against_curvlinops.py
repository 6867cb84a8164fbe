"""Truth: curvlinops, another library for curvature, and scipy's eigsh on its operator.

Its copy of a network has layer normalisation written out: the double backward of torch's own is wrong under
torch.func.vmap (see test_autograd.py), which curvlinops uses.
"""

import warnings

import numpy as np
import pytest
import torch
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.models.build import build
from scipy.sparse.linalg import eigsh
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own imports warn
    curvlinops = pytest.importorskip("curvlinops", reason="curvlinops-for-pytorch is not installed")

N_SAMPLES, N_OUTPUTS = 6, 3
CASES = [
    ("mlp-tanh-5-4", (4,)),
    ("cnn-gelu-2-3", (1, 5, 5)),
    ("transformer-1-4-2", (4,)),
]

NOTHING = torch.zeros(1, 1, dtype=torch.float64)


class HalfSquare(nn.MSELoss):
    """torch averages over the outputs too; ours is half the sum over them."""

    def forward(self, f, y):
        return super().forward(f, y) * f.shape[-1] / 2


class PlainLayerNorm(nn.LayerNorm):
    def forward(self, h):
        centred = h - h.mean(dim=-1, keepdim=True)
        return self.weight * centred / (centred.square().mean(dim=-1, keepdim=True) + self.eps).sqrt() + self.bias


def written_out(module):
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            plain = PlainLayerNorm(child.normalized_shape, dtype=torch.float64)
            plain.load_state_dict(child.state_dict())
            setattr(module, name, plain)
        else:
            written_out(child)
    return module


@pytest.fixture(params=[(*case, objective) for case in CASES for objective in OBJECTIVES], ids=str)
def case(request):
    """Our product at random weights, one member's; theirs as a scipy operator on the module's parameters."""
    model, input_shape, objective = request.param
    is_text = model.startswith("transformer")
    torch.manual_seed(1)
    module = build(model, input_shape, N_OUTPUTS, is_text).double()
    x = torch.randn(N_SAMPLES, *input_shape, dtype=torch.float64)
    if is_text:
        x = torch.randint(N_OUTPUTS, (N_SAMPLES, *input_shape))
    y = torch.randint(N_OUTPUTS, module(x).shape[:-1])
    network = ModuleNetwork(lambda: build(model, input_shape, N_OUTPUTS, is_text), OBJECTIVES[objective], torch.float64)
    w = torch.zeros(1, network.row_length, dtype=torch.float64)
    w[0, : network.n_parameters] = torch.cat([p.detach().flatten() for p in module.parameters()])
    ours = network.evaluate(w, Batch(x, y, shared=True), CURVATURE).hessian_operator()

    flat = nn.Sequential(written_out(module), nn.Flatten(0, -2))  # a text's symbols are samples
    loss = nn.CrossEntropyLoss() if objective == "cross_entropy" else HalfSquare()
    target = y.flatten() if objective == "cross_entropy" else torch.eye(N_OUTPUTS, dtype=torch.float64)[y.flatten()]
    parameters = list(flat.parameters())
    theirs = curvlinops.HessianLinearOperator(flat, loss, parameters, [(x, target)], check_deterministic=False)
    return ours, theirs.to_scipy(), network


def rows(vector, network):
    row = torch.zeros(1, network.row_length, dtype=torch.float64)
    row[0, : network.n_parameters] = torch.as_tensor(vector)
    return row


def test_products(case, rng):
    ours, theirs, network = case
    v = rng.normal(size=network.n_parameters)

    found = ours(rows(v, network))[0, : network.n_parameters].numpy()

    np.testing.assert_allclose(found, theirs @ v, rtol=1e-6, atol=1e-9)


def test_sharpness(case, rng):
    ours, theirs, network = case
    start = rows(rng.normal(size=network.n_parameters), network)

    found = top_eigenpair(ours, start, NOTHING, max_products=100, relative_residual=1e-7)

    expected = eigsh(theirs, k=1, which="LA", tol=1e-10, v0=start[0, : network.n_parameters].numpy())[0][0]
    assert found.value.item() == pytest.approx(expected, rel=1e-6)


def test_explicit_perceptron(rng):
    network = Mlp((4, 5, 3), "tanh", OBJECTIVES["cross_entropy"], torch.float64)
    w = network.initial_weights(0)[None]
    module = build("mlp-tanh-5", (4,), 3).double()
    with torch.no_grad():
        for layer, (weight, bias) in zip((module[1], module[3]), network.layers(w), strict=True):
            layer.weight.copy_(weight[0].T)
            layer.bias.copy_(bias[0, 0])
    x, y = torch.tensor(rng.normal(size=(6, 4))), torch.tensor(rng.integers(0, 3, 6))
    parameters = list(module.parameters())
    operator = curvlinops.HessianLinearOperator(
        module, nn.CrossEntropyLoss(), parameters, [(x, y)], check_deterministic=False
    ).to_scipy()

    batch = Batch(x, torch.eye(3, dtype=torch.float64)[y], shared=True)
    product = network.evaluate(w, batch, CURVATURE).hessian_operator()
    found = top_eigenpair(product, w, NOTHING, max_products=50, relative_residual=1e-7)

    assert found.value.item() == pytest.approx(eigsh(operator, k=1, which="LA", tol=1e-10)[0][0], rel=1e-6)
