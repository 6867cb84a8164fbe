"""Truth: each network by itself, and central differences of its gradient, in float64."""

import pytest
import torch
from mstudy.models.build import build
from mstudy.models.families import ACTIVATIONS
from torch.func import functional_call, stack_module_state, vmap

N_MEMBERS, N_SAMPLES, N_OUTPUTS = 2, 3, 4
CASES = [
    ("linear", (2, 3, 3), False),
    *((f"mlp-{act}-5-4", (2, 3, 3), False) for act in ACTIVATIONS),
    *((f"cnn-{act}-3-2", (2, 5, 5), False) for act in ("tanh", "relu")),
    *((f"resnet18-{norm}-2", (1, 16, 16), False) for norm in ("group", "batch", "none")),
    *((f"vgg11-{norm}-2", (1, 32, 32), False) for norm in ("group", "batch", "none")),
    ("transformer-2-4-2", (5,), True),
]


@pytest.fixture(params=CASES, ids=lambda case: case[0])
def case(request):
    """Members, a batch, and its targets."""
    model, input_shape, is_text = request.param
    torch.manual_seed(0)
    members = [build(model, input_shape, N_OUTPUTS, is_text).double() for _ in range(N_MEMBERS)]
    x = torch.randn(N_SAMPLES, *input_shape, dtype=torch.float64)
    if is_text:
        x = torch.randint(N_OUTPUTS, (N_SAMPLES, *input_shape))
    return members, x, torch.randint(N_OUTPUTS, members[0](x).shape[:-1])


def loss_of(outputs, y):
    return torch.nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten())


def hessian_products(losses, weights, directions):
    """Double backward; every member's loss depends on its own weights only."""
    gradient = torch.autograd.grad(losses.sum(), weights, create_graph=True)
    return torch.autograd.grad(gradient, weights, directions)


def gradient_at(member, x, y, shift):
    weights = dict(member.named_parameters())
    moved = {name: (weights[name] + shift[name]).detach().requires_grad_() for name in weights}
    loss = loss_of(functional_call(member, moved, (x,)), y)
    return flat(torch.autograd.grad(loss, list(moved.values())))


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def unit_direction(member):
    names, parameters = zip(*member.named_parameters(), strict=True)
    drawn = [torch.randn_like(p) for p in parameters]
    norm = flat(drawn).norm()
    return {name: d / norm for name, d in zip(names, drawn, strict=True)}


def test_stacked_outputs_equal_single_ones(case):
    members, x, _ = case
    stacked, _ = stack_module_state(members)

    outputs = vmap(lambda weights: functional_call(members[0], weights, (x,)))(stacked)

    for member, output in zip(members, outputs, strict=True):
        torch.testing.assert_close(output, member(x), rtol=1e-10, atol=1e-12)


def test_double_backward_equals_differences_of_the_gradient(case):
    members, x, y = case
    directions = [unit_direction(member) for member in members]
    stacked, _ = stack_module_state(members)
    stacked_direction = [torch.stack([d[name] for d in directions]) for name in stacked]

    def loss(weights):
        return loss_of(functional_call(members[0], weights, (x,)), y)

    together = hessian_products(vmap(loss)(stacked), list(stacked.values()), stacked_direction)

    for index, (member, direction) in enumerate(zip(members, directions, strict=True)):
        step = 1e-5  # error about step^2 + 1e-16 / step; a relu's or a maximum's kinks are not met at these seeds
        ends = [gradient_at(member, x, y, {name: s * d for name, d in direction.items()}) for s in (step, -step)]
        expected = (ends[0] - ends[1]) / (2 * step)
        alone = flat(hessian_products(loss_of(member(x), y), list(member.parameters()), list(direction.values())))
        assert (alone - expected).norm() < 1e-6 * expected.norm()
        assert (flat(t[index] for t in together) - expected).norm() < 1e-6 * expected.norm()
