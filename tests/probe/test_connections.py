"""Nothing that is cut off counts as zero. Truth: dense Hessians in float64 of the loss written out again."""

import pytest
import torch
from mstudy.core.errors import TrainingError
from mstudy.probe.curvature_probe import CurvatureProbe
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tests.probe.dense import (
    TOKENS,
    X,
    Y,
    check,
    cross_entropy,
    loss_again,
    measured,
    nothing_known,
    output,
    perceptron,
    truth,
)


class Net(nn.Module):
    """A perceptron whose hidden layer a subclass may call in another way."""

    def __init__(self, activation=torch.tanh):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.activation = nn.Linear(6, 8), nn.Linear(8, 3), activation

    def body(self, x):
        return self.activation(self.a(x))

    def forward(self, x):
        return self.b(self.body(x))


class Reentrant(Net):
    def forward(self, x):
        return self.b(checkpoint(self.body, x.clone().requires_grad_(), use_reentrant=True))


class NotReentrant(Net):
    def forward(self, x):
        return self.b(checkpoint(self.body, x, use_reentrant=False))


def of_net(p):
    return loss_again(p, names=("a", "b"))


@pytest.mark.parametrize("kind", [Net, Reentrant, NotReentrant])
def test_a_checkpoint_cuts_nothing_off(kind):
    check(kind(), cross_entropy, (X, Y), of_net)


PENALTIES = {
    "each": lambda ps: sum(p.square().sum() for p in ps),
    "vector": lambda ps: nn.utils.parameters_to_vector(ps).square().sum(),
    "stack": lambda ps: torch.stack([p.norm() ** 2 for p in ps]).sum(),
    "foreach": lambda ps: sum(n**2 for n in torch._foreach_norm(ps)),
    "product": lambda ps: sum(p.flatten() @ p.flatten() for p in ps),
}


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parameters_held_outside_the_module_are_measured(name, dtype):
    module = perceptron().to(dtype)
    held = list(module.parameters())

    def loss(m, batch):
        return cross_entropy(m, batch) + 0.5 * PENALTIES[name](held)

    x = X.to(dtype)
    check(
        module, loss, (x, Y), lambda p: loss_again(p, x=x) + 0.5 * sum(q.square().sum() for q in p.values()), rel=1e-4
    )


class Square(torch.autograd.Function):
    """What autograd was taught takes its tensors past every mode of torch."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


def test_parameters_that_get_past_the_module_are_named():
    module = perceptron()
    held = list(module.parameters())[:1]

    def loss(m, batch):
        return cross_entropy(m, batch) + sum(Square.apply(p) for p in held)

    with pytest.warns(
        UserWarning, match=r"from the module that it is given, found 0.weight taken from elsewhere; call"
    ):
        row, *_ = measured(module, loss, (X, Y))

    assert nothing_known(row) and row["loss"] is None


class OwnCheckpoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, x):
        ctx.function = function
        ctx.save_for_backward(x)
        with torch.no_grad():
            return function(x)

    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.function(x)
        torch.autograd.backward(y, g)
        return None, x.grad


class ByOwnCheckpoint(Net):
    def forward(self, x):
        return self.b(OwnCheckpoint.apply(self.body, x.clone().requires_grad_()))


def test_parameters_that_training_moves_and_the_measured_graph_does_not_reach_are_named():
    module = ByOwnCheckpoint()
    with pytest.warns(UserWarning, match=r"found no connection to a.weight, a.bias; let loss.* without .detach"):
        row, before, probe = measured(module, cross_entropy, (X, Y))

    assert nothing_known(row)
    assert row["loss"] == pytest.approx(truth(module, before, of_net)[2], rel=1e-6)
    assert probe.about["failed_measurements"] == 1


def test_an_unused_part_is_no_fault():
    """Its gradient in training is none, or zero."""
    module = Net()
    module.unused = nn.Linear(3, 3)
    module.unused.weight.grad = torch.zeros(3, 3)
    row, before, probe = measured(module, cross_entropy, (X, Y))

    assert row["directional_curvature"] == pytest.approx(truth(module, before, of_net)[0], rel=1e-5)
    assert probe.about == {"curvature_check": "passed"}


def test_a_part_that_only_training_uses_is_named():
    """The data of the probe never reach it: its share of the Hessian is not known to be zero."""
    module = nn.ModuleDict({"one": nn.Linear(6, 3), "two": nn.Linear(6, 3)})

    def loss(m, batch):
        return functional.cross_entropy(m[batch["part"]](batch["x"]), batch["y"])

    data = {"part": "one", "x": X, "y": Y}
    other = data | {"part": "two"}
    with pytest.warns(UserWarning, match="found no connection to two.weight, two.bias"):
        row, *_ = measured(module, loss, data, batch=other)

    assert nothing_known(row)


def tanh_whose_backward(backward, once=False):
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.tanh(x)
            ctx.save_for_backward(y)
            return y

    Tanh.backward = staticmethod(torch.autograd.function.once_differentiable(backward) if once else backward)
    return Tanh.apply


def plain(ctx, g):
    return g * (1 - ctx.saved_tensors[0] ** 2)


def on_detached(ctx, g):
    return g * (1 - ctx.saved_tensors[0].detach() ** 2)


def all_detached(ctx, g):
    return (g * (1 - ctx.saved_tensors[0] ** 2)).detach()


def by_numpy(ctx, g):
    return torch.from_numpy(g.detach().numpy() * (1 - ctx.saved_tensors[0].detach().numpy() ** 2)).to(g.dtype)


BACKWARDS = {
    "plain": (plain, False),
    "once": (plain, True),
    "detached": (on_detached, False),
    "all detached": (all_detached, False),
    "numpy": (by_numpy, False),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BACKWARDS)
def test_a_backward_pass_that_cannot_be_differentiated(name):
    backward, once = BACKWARDS[name]

    probe = check(Net(tanh_whose_backward(backward, once)), cross_entropy, (X, Y), of_net)

    assert probe.about.get("curvature_by") == (None if name == "plain" else "differences")


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.e, self.h = nn.EmbeddingBag(10, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.h(torch.tanh(self.e(x)))


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.c, self.h = nn.Parameter(torch.randn(5, 6)), nn.Linear(5, 3)

    def forward(self, x):
        return self.h(torch.cdist(x, self.c))


def of_bag(p):
    hidden = torch.tanh(p["e.weight"][TOKENS].mean(1))
    return functional.cross_entropy(functional.linear(hidden, p["h.weight"], p["h.bias"]), Y)


def of_distances(p):
    distances = (X.double()[:, None] - p["c"]).square().sum(-1).sqrt()
    return functional.cross_entropy(functional.linear(distances, p["h.weight"], p["h.bias"]), Y)


@pytest.mark.parametrize(
    ("module", "data", "again", "operation"),
    [(Bag, (TOKENS, Y), of_bag, "embedding_bag"), (Distances, (X, Y), of_distances, "cdist")],
)
def test_an_operation_without_a_second_derivative_is_named_and_measured_by_differences(module, data, again, operation):
    with pytest.warns(UserWarning, match=rf"found {operation} without a second derivative in torch; write it with"):
        probe = check(module(), cross_entropy, data, again)

    assert probe.about == {"curvature_by": "differences"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_row_says_that_it_is_by_differences_and_how_far_off():
    module = Bag()
    row, before, _ = measured(module, cross_entropy, (TOKENS, Y))
    kappa, *_ = truth(module, before, of_bag)

    assert row["curvature_by"] == "differences"
    assert abs(row["directional_curvature"] - kappa) <= row["curvature_error"] < 1e-6


def test_a_loss_without_a_gradient_is_a_sentence():
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    CurvatureProbe(module, lambda m, b: cross_entropy(m, b).detach(), (X, Y), optimizer, strict=True)
    cross_entropy(module, (X, Y)).backward()

    with pytest.raises(TrainingError, match="by operations that torch differentiates, found a loss without a gradient"):
        optimizer.step()


def test_reused_layers_and_shared_parameters_count_once():
    module = perceptron()
    module.add_module("again", module[0])
    module[0].weight.requires_grad_(True)

    def loss(m, batch):
        return functional.cross_entropy(m[2](torch.tanh(m[0](batch[0]))), batch[1])

    def again(p):
        return functional.cross_entropy(output(p), Y)

    check(module, loss, (X, Y), again)
