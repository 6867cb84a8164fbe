"""Price of the curvature along each update in a user's own loop: CurvatureProbe, a hand-written loop, other libraries.

All of them do the same: note the weights before the step, take u from the step that the optimizer really made, and
compute u^T H u / u^T u at the weights before it, in float32, H the Hessian of the mean loss over the samples.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import torch
from mstudy.data.digits import load_digits
from mstudy.models.build import build
from mstudy.probe.curvature_probe import CurvatureProbe
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from benchmarks.speed.timing import table

SECONDS = 12.0  # a model
FEWEST_ROUNDS = 15
ABSENT = "not installed"  # in the place of a rival's figure
Batch = tuple[Tensor, Tensor]
Product = Callable[[Sequence[Tensor]], Sequence[Tensor]]  # u -> H u, in the shapes of the parameters


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean loss of a batch."""
    return functional.cross_entropy(model(batch[0]), batch[1])


class WithRival:
    """An optimizer whose steps measure the curvature by somebody's product with the Hessian."""

    def __init__(self, model: nn.Module, product: Product) -> None:
        self.parameters, self._product = list(model.parameters()), product
        self.optimizer = SGD(self.parameters, lr=1e-3)
        self.optimizer.register_step_pre_hook(lambda *_: self._note())
        self.optimizer.register_step_post_hook(lambda *_: self._measure())
        self.kappa = 0.0

    def _note(self) -> None:
        self._before = [p.detach().clone() for p in self.parameters]

    def _measure(self) -> None:
        after = [p.detach().clone() for p in self.parameters]
        update = [new - old for new, old in zip(after, self._before, strict=True)]
        self._put(self._before)
        image = self._product(update)
        self._put(after)
        self.kappa = float(_inner(update, image) / _inner(update, update))

    def _put(self, weights: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for p, values in zip(self.parameters, weights, strict=True):
                p.copy_(values)


def _inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(left * right).sum() for left, right in zip(a, b, strict=True)]).sum()


def by_hand(model: nn.Module, batch: Batch) -> Product:
    """Two calls of torch.autograd.grad."""
    parameters = list(model.parameters())

    def product(update: Sequence[Tensor]) -> Sequence[Tensor]:
        gradients = torch.autograd.grad(loss_of(model, batch), parameters, create_graph=True)
        return torch.autograd.grad(_inner(gradients, update), parameters)

    return product


def by_curvlinops(model: nn.Module, batch: Batch) -> Product:
    """Take curvlinops' Hessian, without its check that it is deterministic."""
    from curvlinops import HessianLinearOperator

    parameters = list(model.parameters())
    hessian = HessianLinearOperator(model, nn.CrossEntropyLoss(), parameters, [batch], check_deterministic=False)
    return lambda update: hessian @ list(update)


def by_eigenthings(model: nn.Module, batch: Batch) -> Product:
    """Take hessian-eigenthings' Hessian."""
    from hessian_eigenthings import HessianOperator, supervised_loss

    hessian = HessianOperator(model, [batch], supervised_loss(functional.cross_entropy))
    shapes = [p.shape for p in model.parameters()]

    def product(update: Sequence[Tensor]) -> Sequence[Tensor]:
        image = hessian.matvec(torch.cat([u.flatten() for u in update]))
        parts = image.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    return product


RIVALS = {
    "hand-written, two `autograd.grad`": (by_hand, "torch"),
    "hessian-eigenthings": (by_eigenthings, "hessian_eigenthings"),
    "curvlinops": (by_curvlinops, "curvlinops"),
}


def rivals_table() -> str:
    """In units of one gradient of the same samples; in brackets the ratio to the hand-written loop."""
    columns = [_prices(*case) for case in _cases()]
    names = ["**CurvatureProbe**", *RIVALS]
    head = ["gradients a curvature (ratio to hand-written)", *(name for name, *_ in _cases())]
    rows = [[name, *(column[place] for column in columns)] for place, name in enumerate(names)]
    return table(head, rows)


def _cases() -> list[tuple[str, nn.Module, Batch, int]]:
    """Name, model, samples, and how many of them are a training batch."""
    chance = torch.Generator().manual_seed(0)
    digits = load_digits()
    whole = torch.as_tensor(digits.inputs, dtype=torch.float32).flatten(1), torch.as_tensor(digits.targets)
    labels = torch.randint(10, (256,), generator=chance)
    return [
        ("MLP 64-64, 1797 digits, batch 64", build("mlp-tanh-64-64", (64,), 10), whole, 64),
        ("the same, full batch", build("mlp-tanh-64-64", (64,), 10), whole, 1797),
        (
            "MLP 3072-200-200, 256",
            build("mlp-tanh-200-200", (3072,), 10),
            (torch.randn(256, 3072, generator=chance), labels),
            256,
        ),
        (
            "CNN 32-32, 128 images",
            build("cnn-relu-32-32", (3, 32, 32), 10),
            (torch.randn(128, 3, 32, 32, generator=chance), labels[:128]),
            128,
        ),
    ]


def _prices(name: str, model: nn.Module, batch: Batch, n_training: int) -> list[str]:
    plain, probed = (SGD(model.parameters(), lr=1e-3) for _ in range(2))
    probe = CurvatureProbe(model, loss_of, batch, probed)
    there = {name: make for name, (make, package) in RIVALS.items() if find_spec(package) is not None}
    rivals = {name: WithRival(model, make(model, batch)) for name, make in there.items()}
    steps = {"plain": plain.step, "probe": probed.step} | {name: rival.optimizer.step for name, rival in rivals.items()}

    def gradient(samples: int = len(batch[1])) -> None:
        plain.zero_grad()
        loss_of(model, (batch[0][:samples], batch[1][:samples])).backward()

    gradient(n_training)
    for step in steps.values():
        step()
    seconds = _medians({"gradient": gradient} | steps, lambda: gradient(n_training))
    prices = {each: (spent - seconds["plain"]) / seconds["gradient"] for each, spent in seconds.items()}
    hand = prices[next(iter(RIVALS))]
    probe.remove()
    return [
        f"{prices[each]:.2f} ({prices[each] / hand:.2f})" if each in prices else ABSENT for each in ("probe", *RIVALS)
    ]


def _medians(calls: dict[str, Callable[[], object]], between: Callable[[], object]) -> dict[str, float]:
    """Median processor time of each call, in turns that begin with another one each time. between: done before each."""
    names = list(calls)
    spent: dict[str, list[float]] = {name: [] for name in names}
    end, turn = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or turn < FEWEST_ROUNDS:
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            between()
            started = time.process_time()
            calls[name]()
            spent[name].append(time.process_time() - started)
        turn += 1
    return {name: statistics.median(times) for name, times in spent.items()}
