"""Which trainable parameters the graph of a measured loss reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

# Operations of torch whose derivative jumps, by the names of their nodes.
_KINKED = frozenset(
    {
        *("Relu", "LeakyRelu", "RreluWithNoise", "PreluKernel", "Threshold", "Hardtanh", "Hardsigmoid", "Hardswish"),
        *("Elu", "Hardshrink", "Softshrink", "Abs", "Clamp", "ClampMin", "ClampMax", "Maximum", "Minimum", "Amax"),
        *("Amin", "Max", "Min", "Aminmax", "Sort", "Topk", "Median", "Kthvalue", "MaxPool1DWithIndices"),
        *("MaxPool2DWithIndices", "MaxPool3DWithIndices", "MkldnnMaxPool2D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D"),
    }
)


class Connections:
    """Collects, over the forward passes of a measurement, what their graphs reach.

    functions: names of the operations there that autograd was taught. has_kinks: whether others there have kinks.
    """

    def __init__(self, names: Sequence[str], trainable: Sequence[nn.Parameter]) -> None:
        self._names, self._trainable = names, trainable
        self._place = {id(parameter): index for index, parameter in enumerate(trainable)}
        self.functions: set[str] = set()
        self.has_kinks = False
        self._reached: set[int] = set()
        self._past_module: set[int] = set()

    def forget(self) -> None:
        """Begin a new measurement."""
        self._reached, self._past_module = set(), set()

    def note(self, loss: Tensor, leaves: Sequence[Tensor]) -> None:
        """Note what the graph of the loss reaches; leaves: what stands for the parameters."""
        place = {id(leaf): index for index, leaf in enumerate(leaves)}
        for node in _nodes(loss):
            name = type(node).__name__
            self.has_kinks |= name.partition("Backward")[0] in _KINKED
            variable = getattr(node, "variable", None) if name == "AccumulateGrad" else None
            if variable is None:
                if isinstance(node, BackwardCFunction):
                    self.functions.add(name.removesuffix("Backward"))
            elif id(variable) in place:
                self._reached.add(place[id(variable)])
            elif id(variable) in self._place:
                self._past_module.add(self._place[id(variable)])

    def past_module(self) -> str | None:
        """Return what to say of parameters that enter the loss themselves, not by what stands for them; None: none."""
        if not self._past_module:
            return None
        return (
            "The loss must take its parameters from the module that it is given, found "
            f"{self._named(self._past_module)} taken from elsewhere; call the module, or its parts, in "
            "loss(module, batch)."
        )

    def cut_off(self, gradients: Sequence[Tensor | None]) -> str | None:
        """Return what to say of parameters that training moves and the measured loss does not reach; None: none."""
        missing = {
            index
            for index, gradient in enumerate(gradients)
            if index not in self._reached and gradient is not None and _is_nonzero(gradient)
        }
        if not missing:
            return None
        return (
            f"The measured loss must depend on each parameter that has a gradient in training, found no connection to "
            f"{self._named(missing)}; let loss(module, batch) compute what training does, without .detach(), "
            "torch.no_grad() or a checkpoint of your own on the way, and give data that uses the parameter."
        )

    def _named(self, indices: set[int]) -> str:
        names = [self._names[index] for index in sorted(indices)]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _nodes(loss: Tensor) -> Iterator[Any]:
    """Yield the nodes of the graph of the loss, each once."""
    waiting: list[Any] = [loss.grad_fn]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        fresh = {follower for follower, _ in node.next_functions if follower is not None} - seen
        seen |= fresh
        waiting.extend(fresh)


def _is_nonzero(gradient: Tensor) -> bool:
    values = gradient.coalesce().values() if gradient.layout == torch.sparse_coo else gradient
    return bool((values != 0).any())
