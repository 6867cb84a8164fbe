"""float32 means float32. Truth: dense Hessians in float64 of the loss written out again."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.probe.dense import X, Y, check, cross_entropy, loss_again, perceptron


def inside(module, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return cross_entropy(module, batch)


def inside_old(module, batch):
    with torch.cpu.amp.autocast():
        return cross_entropy(module, batch)


@torch.autocast("cpu", dtype=torch.bfloat16)
def decorated(module, batch):
    return cross_entropy(module, batch)


def by_switch(module, batch):
    torch.set_autocast_enabled("cpu", True)
    try:
        return cross_entropy(module, batch)
    finally:
        torch.set_autocast_enabled("cpu", False)


def by_hand(module, batch):
    return functional.cross_entropy(module(batch[0].bfloat16().to(dtype=torch.float32).half().float()), batch[1])


LOSSES = {f.__name__: f for f in (inside, inside_old, decorated, by_switch, by_hand)}


@pytest.mark.filterwarnings("ignore:.*autocast:FutureWarning", "ignore:.*autocast:DeprecationWarning")
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("chunk", [None, 7])
def test_autocast_in_the_loss_is_inert(name, chunk):
    check(perceptron(), LOSSES[name], (X, Y), loss_again, rel=1e-5, chunk=chunk)


def test_autocast_around_forward_is_inert():
    """As Accelerate and the Trainer wrap it: outputs are cast back to float32."""
    module = perceptron()
    plain = module.forward
    cast = torch.autocast("cpu", dtype=torch.bfloat16)(plain)
    module.forward = functools.wraps(plain)(lambda *args: cast(*args).float())

    check(module, cross_entropy, (X, Y), loss_again, rel=1e-5)
    assert module(X).sub(plain(X)).abs().max() > 1e-4  # training still rounds


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.c, self.h = nn.Conv2d(1, 4, 3), nn.Linear(16, 3)

    def forward(self, x):
        return self.h(torch.tanh(self.c(x)).flatten(1))


def test_autocast_with_convolutions():
    images = torch.randn(24, 1, 4, 4, generator=torch.Generator().manual_seed(2))

    def again(p):
        hidden = torch.tanh(functional.conv2d(images.double(), p["c.weight"], p["c.bias"])).flatten(1)
        return functional.cross_entropy(functional.linear(hidden, p["h.weight"], p["h.bias"]), Y)

    check(Convolution(), inside, (images, Y), again, rel=1e-5)


class Mixed(nn.Module):
    """A layer of few digits in a net of float32."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 8).bfloat16(), nn.Linear(8, 3)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x.to(torch.bfloat16))).float())


def test_a_layer_of_few_digits_is_measured_at_its_own_weights():
    check(Mixed(), cross_entropy, (X, Y), lambda p: loss_again(p, names=("a", "b")), rel=1e-5)


def test_a_training_in_bfloat16_is_measured_right_throughout():
    module = perceptron()
    for _ in range(12):
        check(module, inside, (X, Y), loss_again, rel=1e-5, optimizer=torch.optim.SGD(module.parameters(), lr=2.0))
        module.zero_grad()


def test_float64_stays_float64_where_the_loss_casts_to_float32():
    module = perceptron().double()

    def loss(m, batch):
        return functional.cross_entropy(m(batch[0]).float(), batch[1])

    check(module, loss, (X.double(), Y), loss_again, rel=1e-9)


@pytest.mark.parametrize("precision", ["medium", "high"])
def test_float32_is_not_rounded_to_fewer_digits(precision):
    """On processors that have bfloat16, "medium" rounds there too, where a product is large."""
    torch.manual_seed(0)
    x, module = torch.randn(24, 256), nn.Sequential(nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 3))
    module[0].requires_grad_(False)
    weight, bias = module[0].weight.double(), module[0].bias.double()

    def again(p):
        hidden = torch.tanh(functional.linear(x.double(), weight, bias))
        return functional.cross_entropy(functional.linear(hidden, p["2.weight"], p["2.bias"]), Y)

    torch.set_float32_matmul_precision(precision)
    try:
        check(module, cross_entropy, (x, Y), again, rel=1e-5)
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_constant_of_few_digits_meets_float32(dtype):
    table = torch.eye(6, dtype=dtype)

    def loss(module, batch):
        x = batch[0] if isinstance(module[0].weight, nn.Parameter) else torch.cat([batch[0].to(dtype)]) @ table
        return functional.cross_entropy(module(x), batch[1])

    probe = check(perceptron(), loss, (X, Y), loss_again, rel=1e-5)
    assert probe.about == {"curvature_check": "passed"}
