"""The second derivative of a loss along a line, with what back-propagation has computed already.

On the line w + e d each tensor of a forward pass is a + e a' + e^2/2 a'' + ... Its tangent is a'. Operation f_k adds a
term q_k of its own to the second derivative of its output: the second derivative of f_k along the tangents of its
inputs. All other contributions pass through linearly. So the second derivative of the loss is the sum of
<dL/da_k, q_k>, where the cotangents dL/da_k are those of the gradient. It takes one pass of tangents and, for an
operation that is linear in each of two inputs, one product more: about one gradient. A second backward pass takes two
to three.

Griewank & Walther (2008), "Evaluating Derivatives", chapters 5 (second-order adjoints) and 13 (Taylor coefficients).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mstudy.curvature.tangents.rules import CURVED, IN_STEPS, RULES, has_rule
from mstudy.curvature.tangents.tangent import Tangent


@dataclass(frozen=True)
class Call:
    """One operation of a forward pass. versions: of its outputs, which count how often they were written to."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    versions: list[int]

    def inputs(self) -> Iterable[Tensor]:
        """Yield the tensors among the arguments."""
        return _tensors((*self.args, *self.kwargs.values()))


class Tape(TorchFunctionMode):
    """While it is entered, keeps every operation that a derivative passes through, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in IN_STEPS:
            with self:
                out = IN_STEPS[func](*args, **kwargs)
            if out is not None:
                return out
        out = func(*args, **kwargs)
        if isinstance(out, Tensor | tuple | list) and any(t.requires_grad for t in _tensors((out,))):
            self.calls.append(Call(func, args, kwargs, out, _versions(out)))
        return out

    def understood(self, leaves: Sequence[Tensor], loss: Tensor) -> bool:
        """Return whether each operation on the way from the leaves to the loss has a rule.

        It is false where the loss depends on something that the tape has not seen: an element that was assigned, an
        operation in place, or one that autograd was taught.
        """
        known = {id(leaf) for leaf in leaves}
        for call in self.calls:
            if not has_rule(call.function, call.args, call.kwargs) or _versions(call.out) != call.versions:
                return False
            for t in call.inputs():
                if id(t) not in known and t.requires_grad:
                    return False
            known.update(map(id, _tensors((call.out,))))
        return id(loss) in known

    def curved(self) -> list[Call]:
        """Return the operations that may have a second-order term, each of one output."""
        return [call for call in self.calls if call.function in CURVED]

    def second_derivative(
        self, leaves: Iterable[Tensor], direction: Iterable[Tensor], cotangents: Iterable[Tensor]
    ) -> Tensor:
        """Return d^2/de^2 of the loss at leaves + e direction, () float64; cotangents: dL/da of each of `curved`'s
        outputs.
        """
        tangents = {id(leaf): d for leaf, d in zip(leaves, direction, strict=True)}
        of_outputs = {id(call.out): cotangent for call, cotangent in zip(self.curved(), cotangents, strict=True)}

        def tangent_of(t: Any) -> Tangent:
            return tangents.get(id(t))

        terms = []
        last_use = {id(t): k for k, call in enumerate(self.calls) for t in call.inputs()}
        with torch.no_grad():
            for k, call in enumerate(self.calls):
                cotangent = partial(of_outputs.__getitem__, id(call.out))
                rule = RULES[call.function]
                tangent, second_order = rule(call.out, tangent_of, cotangent, *call.args, **call.kwargs)
                if isinstance(tangent, tuple):
                    tangents |= {id(out): each for out, each in zip(call.out, tangent, strict=True)}
                elif tangent is not None:
                    tangents[id(call.out)] = tangent
                if second_order is not None:
                    terms.append(second_order.double())
                for t in call.inputs():  # memory that is free again is also near
                    if last_use[id(t)] == k:
                        tangents.pop(id(t), None)
        return torch.stack(terms).sum() if terms else torch.zeros((), dtype=torch.float64)


def _versions(out: Any) -> list[int]:
    return [out._version] if isinstance(out, Tensor) else [t._version for t in _tensors(out)]


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)
