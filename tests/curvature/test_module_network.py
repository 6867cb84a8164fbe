"""Truth: autograd on the plain module, one member at a time, in float64: a dense Hessian, or differences of gradients.

Not torch.func.hessian: its vmap over a double backward gives a wrong, asymmetric Hessian for the scales of batch and
layer normalisation (torch 2.13).
"""

import math
from types import SimpleNamespace

import pytest
import torch
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, GRADIENT, LOSS, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.models.build import build
from mstudy.models.normalisation import convolution
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call

N_SAMPLES, N_OUTPUTS = 4, 3
SMALL = {
    "linear": (2, 2, 2),
    "mlp-tanh-4-3": (2, 2),
    "cnn-gelu-2-2": (1, 5, 4),
    "transformer-1-4-2": (3,),
}
LARGE = {
    "resnet18-group-1": (1, 9, 9),
    "resnet18-batch-1": (1, 9, 9),
    "vgg11-batch-1": (1, 32, 32),
}
CASES = [
    *((m, o, k, shared) for m in SMALL for o in OBJECTIVES for k in (1, 3) for shared in (True, False)),
    *((m, "cross_entropy", 3, False) for m in LARGE),
    *((m, "squared_error", 1, True) for m in LARGE),
    ("vgg11-none-1", "cross_entropy", 3, True),
]
SHAPES = SMALL | LARGE | {"vgg11-none-1": (1, 32, 32)}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request):
    """A network, and all that it says at one point."""
    model, objective, n_members, shared = request.param
    case = assembled(
        lambda: build(model, SHAPES[model], N_OUTPUTS, model.startswith("transformer")),
        SHAPES[model],
        model.startswith("transformer"),
        objective,
        n_members,
        shared,
    )
    case.directions = [random_rows(case), random_rows(case)]
    at = case.network.evaluate(case.w, case.batch, CURVATURE)
    product = at.hessian_operator()
    case.gradient, case.images = at.gradient(), [product(v) for v in case.directions]
    case.curvature = at.curvature_along(case.directions[0])  # last: it uses up the recorded pass
    return case


def assembled(make, input_shape, is_text, objective, n_members, shared):
    """A network at random weights, its batch, and every member's loss as a plain function of its row."""
    torch.manual_seed(2)
    module = make().double()
    network = ModuleNetwork(make, OBJECTIVES[objective], torch.float64)
    case = SimpleNamespace(network=network, module=module)
    case.w = torch.stack([network.initial_weights(seed) for seed in range(n_members)])
    case.w += 0.1 * random_rows(case)
    n = (N_SAMPLES,) if shared else (n_members, N_SAMPLES)
    x = torch.randint(N_OUTPUTS, (*n, *input_shape)) if is_text else torch.randn(*n, *input_shape, dtype=torch.float64)
    y = torch.randint(N_OUTPUTS, (*n, *input_shape) if is_text else n)
    case.batch = Batch(x, y, shared)
    case.losses = [plain_loss(module, objective, *((x, y) if shared else (x[k], y[k]))) for k in range(n_members)]
    return case


def random_rows(case):
    rows = torch.zeros_like(case.w)
    rows[:, : case.network.n_parameters] = torch.randn(len(rows), case.network.n_parameters, dtype=torch.float64)
    return rows


def plain_loss(module, objective, x, y):
    def loss(row):
        f = plain_outputs(module, row, x).flatten(0, -2)  # a text's symbols are samples too
        if objective == "cross_entropy":
            return nn.functional.cross_entropy(f, y.flatten())
        return (f - nn.functional.one_hot(y.flatten(), N_OUTPUTS)).square().sum(dim=1).mean() / 2

    return loss


def plain_outputs(module, row, x):
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = row[: sum(sizes)].split(sizes)
    named = {name: part.view(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}
    return functional_call(module, named, (x,))


def plain_gradient(loss, row):
    row = row.clone().requires_grad_()
    return torch.autograd.grad(loss(row), row)[0]


def plain_images(loss, row, directions):
    """H d of each, by a dense Hessian where it is affordable, else by differences of fourth order."""
    if row.numel() < 400:
        return list(directions @ hessian(loss, row))
    return [differences(loss, row, direction) for direction in directions]


def differences(loss, row, direction):
    # A step as small as the kinks of relu and max demand; it rounds at about 1e-16 / step.
    step = 1e-5 / direction.norm()
    near, far = (
        (plain_gradient(loss, row + k * step * direction) - plain_gradient(loss, row - k * step * direction)) / k
        for k in (1, 2)
    )
    return (4 * near - far) / (6 * step)


def assert_near(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * expected.abs().max().item() + 1e-12)


def test_loss(case):
    for order in (LOSS, GRADIENT, CURVATURE):
        found = case.network.evaluate(case.w, case.batch, order).loss

        expected = torch.stack([loss(row) for loss, row in zip(case.losses, case.w, strict=True)])
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)


def test_gradient(case):
    of_order_one = case.network.evaluate(case.w, case.batch, GRADIENT).gradient()

    expected = torch.stack([plain_gradient(loss, row) for loss, row in zip(case.losses, case.w, strict=True)])
    torch.testing.assert_close(case.gradient, expected, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(of_order_one, expected, rtol=1e-8, atol=1e-12)


def test_hessian_products_and_curvature(case):
    for k, (loss, row) in enumerate(zip(case.losses, case.w, strict=True)):
        first, second = plain_images(loss, row, torch.stack([v[k] for v in case.directions]))
        assert_near(case.images[0][k], first)
        assert_near(case.images[1][k], second)
        along = (case.directions[0][k] @ first).item()
        assert case.curvature[k].item() == pytest.approx(along, rel=1e-6, abs=1e-7)
    assert case.curvature.dtype == torch.float64


def test_the_padding_of_a_row_stays_empty(case):
    n, parts = case.network.n_parameters, [case.w, case.gradient, *case.images]

    assert case.network.row_length % 16 == 0
    assert [part[:, n:].abs().sum().item() for part in parts] == [0, 0, 0, 0]
    assert all(part[:, :n].abs().sum() > 0 for part in parts)


def test_what_lies_in_the_padding_of_a_direction_does_not_count():
    case = assembled(lambda: build("linear", (2, 2), N_OUTPUTS), (2, 2), False, "cross_entropy", 3, True)
    direction = random_rows(case)
    spoilt = direction.clone()
    spoilt[:, case.network.n_parameters :] = 7.0

    clean, found = (case.network.evaluate(case.w, case.batch, CURVATURE) for _ in range(2))

    assert case.network.n_parameters < case.network.row_length
    assert torch.equal(found.curvature_along(spoilt), clean.curvature_along(direction))


class FrozenStatistics(nn.BatchNorm2d):
    """Normalises by the batch's mean and variance, but takes no derivative through them."""

    def forward(self, x):
        mean, variance = x.mean((0, 2, 3)).detach(), x.var((0, 2, 3), correction=0).detach()
        return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, training=False, eps=self.eps)


@pytest.mark.parametrize("n_members", [1, 3])
def test_under_batch_normalisation_the_hessian_goes_through_the_batchs_statistics(n_members):
    def make():
        return nn.Sequential(convolution("batch", 1, 2), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 4 * 4, N_OUTPUTS))

    case = assembled(make, (1, 4, 4), False, "cross_entropy", n_members, True)
    frozen_module = make().double()
    frozen_module[0][1] = FrozenStatistics(2, track_running_stats=False).double()
    frozen = plain_loss(frozen_module, "cross_entropy", case.batch.x, case.batch.y)
    direction = random_rows(case)

    at = case.network.evaluate(case.w, case.batch, CURVATURE)
    image = at.hessian_operator()(direction)

    for k, (loss, row) in enumerate(zip(case.losses, case.w, strict=True)):
        expected, other = (hessian(f, row) @ direction[k] for f in (loss, frozen))
        torch.testing.assert_close(frozen(row), loss(row))  # the losses are one: only the derivatives differ
        assert (other - expected).norm() > 0.1 * expected.norm()
        assert_near(image[k], expected)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("n_members", [1, 3])
def test_numbers_to_be_fitted(n_members, shared):
    case = assembled(lambda: build("cnn-tanh-2", (1, 4, 4), 3), (1, 4, 4), False, "squared_error", n_members, shared)
    y = torch.randn(*case.batch.y.shape, N_OUTPUTS, dtype=torch.float64)
    direction = random_rows(case)

    at = case.network.evaluate(case.w, Batch(case.batch.x, y, shared), CURVATURE)
    curvature = at.curvature_along(direction)

    for k in range(n_members):
        x, target = (case.batch.x, y) if shared else (case.batch.x[k], y[k])

        def loss(row, x=x, target=target):
            f = plain_outputs(case.module, row, x)
            return sum((f[i] - target[i]) @ (f[i] - target[i]) for i in range(N_SAMPLES)) / (2 * N_SAMPLES)

        assert at.loss[k].item() == pytest.approx(loss(case.w[k]).item(), rel=1e-11)
        expected = direction[k] @ hessian(loss, case.w[k]) @ direction[k]
        assert curvature[k].item() == pytest.approx(expected.item(), rel=1e-9)


def test_a_shared_batch_is_the_members_own_batches_when_these_are_equal():
    case = assembled(lambda: build("cnn-tanh-2", (1, 4, 4), 3), (1, 4, 4), False, "cross_entropy", 3, True)
    x, y = case.batch.x, case.batch.y
    own = Batch(x.expand(3, *x.shape), y.expand(3, *y.shape), shared=False)
    direction = random_rows(case)

    shared, apart = (case.network.evaluate(case.w, batch, CURVATURE) for batch in (case.batch, own))

    torch.testing.assert_close(apart.loss, shared.loss)
    torch.testing.assert_close(apart.gradient(), shared.gradient())
    torch.testing.assert_close(apart.curvature_along(direction), shared.curvature_along(direction))


def test_initial_weights_are_the_modules_own_and_leave_the_global_generator_alone():
    network = ModuleNetwork(lambda: build("cnn-tanh-2", (1, 4, 4), 3), OBJECTIVES["cross_entropy"])
    torch.manual_seed(5)
    expected = torch.cat([p.detach().flatten() for p in build("cnn-tanh-2", (1, 4, 4), 3).parameters()])
    torch.manual_seed(6)
    drawn = torch.rand(1)
    torch.manual_seed(6)

    row = network.initial_weights(5)

    assert torch.equal(row[: network.n_parameters], expected)
    assert torch.equal(torch.rand(1), drawn)
