"""Truth: double backward of the same loss, in float64."""

import pytest
import torch
from mstudy.curvature.activation_derivatives import ACTIVATIONS
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.curvature.tangents.tape import Tape
from mstudy.models.build import build
from torch import nn
from torch.nn import functional


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_double_backward(loss, leaves, direction):
    gradients = torch.autograd.grad(loss(leaves), leaves, create_graph=True, materialize_grads=True)
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True) if g.requires_grad)
    images = torch.autograd.grad(slope, leaves, materialize_grads=True)
    return sum((h * d).sum() for h, d in zip(images, direction, strict=True))


def by_tape(loss, leaves, direction):
    tape = Tape()
    with tape:
        value = loss(leaves)
    assert tape.understood(leaves, value)
    cotangents = torch.autograd.grad(value, [call.out for call in tape.curved()], materialize_grads=True)
    return tape.second_derivative(leaves, direction, cotangents)


class Old(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()


W, B, X = drawn(4, 6, seed=1), drawn(4, seed=2), drawn(5, 6, seed=3)
K, PICTURES = drawn(4, 3, 3, 3, seed=4), drawn(5, 3, 8, 8, seed=5)
LABELS = torch.tensor([0, 3, 1, 2, 2])
RUNNING = drawn(4, seed=6), drawn(4, seed=7).exp()


def small_layer():
    """Weight and bias, and a direction."""
    return [W.clone().requires_grad_(), B.clone().requires_grad_()], [drawn(4, 6, seed=7), drawn(4, seed=8)]


def maps(leaves):
    """(5, 4, 8, 8), moved by a kernel; leaves: kernel, scale, shift."""
    return functional.conv2d(PICTURES, leaves[0], padding=1).tanh()


def weighted(y):
    """A scalar in which no element is like another."""
    return (y * drawn(*y.shape, seed=9)).sum()


# A norm is followed by tanh: its tangent then enters the second derivative, and not only its own curvature.
LOSSES = {
    "a product of two that move": lambda w: weighted(functional.linear(X, w[0], w[1]) * functional.linear(X, w[0])),
    "a matrix product of two that move": lambda w: weighted((X @ w[0].transpose(0, 1)) @ w[0]),
    "the weight stands still": lambda w: weighted(functional.linear(w[0].square(), drawn(3, 6), drawn(3))),
    "the input stands still": lambda w: weighted(functional.linear(X, drawn(4, 6), w[1])),
    "sums and differences": lambda w: weighted((w[0] - w[1][:, None] + w[0].square()).sub(w[0].tanh(), alpha=2)),
    "a quotient": lambda w: weighted(w[0].square() / 3 + (w[0] / torch.full((6,), 2.0, dtype=torch.float64)).square()),
    "unbind": lambda w: weighted(w[0].square().unbind()[1] * w[0].tanh().unbind()[0]),
    "rows by iteration": lambda w: sum(weighted(row.square() * row.tanh()) for row in w[0].square()),
    "views": lambda w: weighted(w[0].square().view(2, 12).permute(1, 0).reshape(-1).unsqueeze(0).expand(3, 24).tanh()),
    "squeeze, mean and minus": lambda w: (
        -(w[0].tanh().unsqueeze(0).squeeze(0).contiguous().flatten().mean())
    ).square(),
    "gelu": lambda w: weighted(functional.gelu(functional.linear(X, w[0], w[1]))),
    "silu": lambda w: weighted(nn.SiLU()(functional.linear(X, w[0], w[1]))),
    "sigmoid": lambda w: weighted(functional.linear(X, w[0], w[1]).sigmoid()),
    "softplus": lambda w: weighted(functional.softplus(functional.linear(X, w[0], w[1]))),
    "relu": lambda w: weighted(functional.relu(functional.linear(X, w[0], w[1])).square()),
    "softmax": lambda w: weighted(functional.softmax(functional.linear(X, w[0], w[1]), dim=1)),
    "log-softmax": lambda w: weighted(functional.log_softmax(functional.linear(X, w[0], w[1]), dim=1)),
    "masked": lambda w: weighted(functional.linear(X, w[0]).masked_fill(X[:, :4] > 0, -torch.inf).softmax(dim=0)),
    "dropout that is off": lambda w: weighted(functional.dropout(w[0].square(), 0.5, training=False).tanh()),
    "embedding": lambda w: weighted(functional.embedding(LABELS, w[0]).tanh()),
    "cross-entropy": lambda w: functional.cross_entropy(functional.linear(X, w[0], w[1]), LABELS),
    "cross-entropy, summed": lambda w: functional.cross_entropy(
        functional.linear(X, w[0], w[1]), LABELS, reduction="sum", ignore_index=2
    ),
    "mean squared error": lambda w: functional.mse_loss(functional.linear(X, w[0], w[1]).tanh(), X[:, :4]),
    "squared error of two that move": lambda w: functional.mse_loss(w[0].tanh(), w[0].square(), reduction="sum"),
    "squared errors": lambda w: weighted(functional.mse_loss(w[0].tanh(), X[:4], reduction="none")),
    "layer norm": lambda w: weighted(functional.layer_norm(functional.linear(X, w[0]), (4,), w[1], w[1].tanh()).tanh()),
    "layer norm, plain": lambda w: weighted(functional.layer_norm(functional.linear(X, w[0]), (4,)).tanh()),
    "layer norm of what stands still": lambda w: weighted(functional.layer_norm(X, (6,), w[0][0], w[0][1]).square()),
}
CONVOLUTIONS = {
    "group norm": lambda w: weighted(functional.group_norm(maps(w), 2, w[1], w[2]).tanh()),
    "group norm, plain": lambda w: weighted(functional.group_norm(maps(w), 4).tanh()),
    "group norm of what stands still": lambda w: weighted(
        functional.group_norm(drawn(5, 4, 2, 2), 2, w[1], w[2]).tanh()
    ),
    "group norm of rows": lambda w: weighted(functional.group_norm(maps(w).mean((2, 3)), 2, w[1], w[2]).tanh()),
    "batch norm": lambda w: weighted(functional.batch_norm(maps(w), None, None, w[1], w[2], True).tanh()),
    "batch norm, plain": lambda w: weighted(functional.batch_norm(maps(w), None, None, None, None, True).tanh()),
    "batch norm by running statistics": lambda w: weighted(functional.batch_norm(maps(w), *RUNNING, w[1], w[2]).tanh()),
    "batch norm of rows": lambda w: weighted(
        functional.batch_norm(maps(w).mean((2, 3)), None, None, w[1], w[2], True).tanh()
    ),
    "stride and groups": lambda w: weighted(functional.conv2d(maps(w), w[0][:, :1], w[1], stride=2, groups=4).tanh()),
    "a convolution of two that move": lambda w: weighted(functional.conv2d(maps(w)[:, :3], w[0].tanh())),
    "the greatest": lambda w: weighted(functional.max_pool2d(maps(w), 3, stride=2, padding=1).square()),
    "the mean": lambda w: weighted(functional.adaptive_avg_pool2d(functional.avg_pool2d(maps(w), 2), 2).square()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_rules_against_double_backward(name):
    leaves, direction = small_layer()

    found, expected = (by(LOSSES[name], leaves, direction) for by in (by_tape, by_double_backward))

    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_rules_of_feature_maps_against_double_backward(name):
    leaves = [K.clone().requires_grad_(), drawn(4, seed=1).requires_grad_(), drawn(4, seed=2).requires_grad_()]
    direction = [drawn(4, 3, 3, 3, seed=7), drawn(4, seed=8), drawn(4, seed=9)]

    found, expected = (by(CONVOLUTIONS[name], leaves, direction) for by in (by_tape, by_double_backward))

    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def assigned(w):
    """An element of what the tape knows is replaced."""
    y = w[0].square()
    y[0, 0] = w[1][0].tanh()
    return y.square().sum()


REFUSED = {
    "an element assigned": assigned,
    "the last was taught to autograd": lambda w: Old.apply(w[0].square().sum()),
    "an operation without a rule": lambda w: w[0].sin().sum(),
    "one that autograd was taught": lambda w: Old.apply(w[0]).square().sum(),
    "in place": lambda w: functional.relu(w[0].square(), inplace=True).sum(),
    "in place by a method": lambda w: w[0].square().mul_(w[0]).sum(),
    "division by what moves": lambda w: (1.0 / (w[0].square() + 1)).sum() + (w[0].tanh() / w[0].square()).sum(),
    "gelu by tanh": lambda w: functional.gelu(w[0], approximate="tanh").sum(),
    "another softplus": lambda w: functional.softplus(w[0], 2.0).sum(),
    "label smoothing": lambda w: functional.cross_entropy(w[0], LABELS[:4], label_smoothing=0.1),
    "classes weighed": lambda w: functional.cross_entropy(w[0], LABELS[:4], torch.ones(6, dtype=torch.float64)),
    "probabilities as targets": lambda w: functional.cross_entropy(w[0], X[:4].softmax(1)),
    "an embedding with padding": lambda w: functional.embedding(LABELS, w[0], padding_idx=2).square().sum(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_tape_does_not_understand_goes_another_way_to_the_same_number(name):
    leaves, direction = small_layer()
    with Tape() as tape:
        value = REFUSED[name](leaves)
    assert not tape.understood(leaves, value)

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.b = nn.Parameter(W.clone()), nn.Parameter(B.clone())

        def forward(self, x):
            return REFUSED[name]([self.w, self.b]).expand(len(x), 1)

    network = ModuleNetwork(Module, OBJECTIVES["squared_error"], torch.float64)
    w = torch.cat([W.flatten(), B, torch.zeros(network.row_length - network.n_parameters)])[None]
    batch = Batch(X, torch.ones(5, 1, dtype=torch.float64), shared=True)
    along = network.rows(direction, 1)

    at = network.evaluate(w, batch, CURVATURE)
    gradient, found = at.gradient(), at.curvature_along(along)

    def loss(leaves):
        return (REFUSED[name](leaves) - 1).square() / 2

    assert gradient.shape == w.shape
    torch.testing.assert_close(found[0], by_double_backward(loss, leaves, direction), rtol=1e-9, atol=1e-12)


SHIPPED = {
    "linear": (4,),
    "mlp-gelu-5": (4,),
    **{f"cnn-{activation}-3": (1, 6, 6) for activation in ACTIVATIONS},
    "transformer-1-4-2": (5,),
    "resnet18-group-2": (1, 10, 10),
    "resnet18-batch-2": (1, 10, 10),
    "vgg11-none-1": (1, 32, 32),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("model", SHIPPED)
def test_every_shipped_model_is_understood(model, objective):
    shape, text = SHIPPED[model], model.startswith("transformer")
    network = ModuleNetwork(lambda: build(model, shape, 3, text), OBJECTIVES[objective])
    x = torch.randint(3, (4, *shape)) if text else torch.randn(4, *shape)
    y = torch.randint(3, (4, *shape)) if text else torch.eye(3)[torch.arange(4) % 3]
    leaves = [part.requires_grad_() for part in network.parameters(network.initial_weights(0)[None])]

    with Tape() as tape:
        loss = network.loss(leaves, Batch(x, y, shared=True), 1)

    assert tape.understood(leaves, loss)


def test_a_view_of_a_tensor_whose_tangent_has_other_strides():
    """A normalisation returns rows one after the other, and its tangent keeps the order of its transposed input."""
    leaves, direction = [drawn(4, 6).requires_grad_()], [drawn(4, 6, seed=1)]

    def loss(parts):
        return functional.layer_norm(parts[0].transpose(0, 1), (4,)).view(-1).square().mul(drawn(24, seed=2)).sum()

    expected = by_double_backward(loss, leaves, direction)
    assert by_tape(loss, leaves, direction).item() == pytest.approx(expected.item(), rel=1e-10)
