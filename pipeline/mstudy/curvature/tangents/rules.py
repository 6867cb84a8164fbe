"""How each operation moves when its inputs move along a line, to first order and, against a cotangent, to second.

A rule takes a call's output, `motion` (from a tensor to its first-order motion, None where it stands still), `pull`
(gives the cotangent of the output) and the call's own arguments. It returns the motion of the output, and the product
of the cotangent with the second derivative in e of f(x + e x'), (); None stands for zero in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mstudy.curvature.activation_derivatives import ACTIVATIONS, Activation
from mstudy.curvature.tangents.motion import STILL, Motion, Moved, Pull, Rule, dot, total
from mstudy.curvature.tangents.normalisation_rules import batch_norm, group_norm, layer_norm
from mstudy.curvature.tangents.softmax_rules import cross_entropy, log_softmax, mse_loss, softmax

# Linear operations


def _linear_in_first(function: Callable[..., Any]) -> Rule:
    """Move the first tensor alone: operations that pick, sum up or move elements are linear in it."""

    def rule(out: Any, motion: Motion, pull: Pull, x: Tensor, *rest: Any, **named: Any) -> tuple[Any, Moved]:
        moved = motion(x)
        return None if moved is None else function(moved, *rest, **named), None

    return rule


def _plus(sign: float) -> Rule:
    def rule(out: Tensor, motion: Motion, pull: Pull, a: Any, b: Any, *, alpha: float = 1) -> tuple[Moved, Moved]:
        left, right = motion(a), motion(b)
        factor = sign * alpha
        moved = total(left, right if right is None or factor == 1 else right * factor)
        return None if moved is None else moved.expand(out.shape), None

    return rule


def _divided(out: Tensor, motion: Motion, pull: Pull, x: Tensor, by: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    return None if moved is None else moved / by, None


def _kept(out: Tensor, motion: Motion, pull: Pull, x: Tensor, *_: Any, **__: Any) -> tuple[Moved, Moved]:
    return motion(x), None


def _relu(out: Tensor, motion: Motion, pull: Pull, x: Tensor, *_: Any, **__: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    return None if moved is None else torch.ops.aten.threshold_backward(moved, out, 0), None


def _pooled_most(out: Tensor, motion: Motion, pull: Pull, x: Tensor, *rest: Any, **named: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    _, places = functional.max_pool2d(x, *rest, **(named | {"return_indices": True}))
    return moved.flatten(-2).gather(-1, places.flatten(-2)).view(out.shape), None


def _embedding(
    out: Tensor, motion: Motion, pull: Pull, x: Tensor, weight: Tensor, *_: Any, **__: Any
) -> tuple[Moved, Moved]:
    moved = motion(weight)
    return None if moved is None else functional.embedding(x, moved), None


def _masked_fill(out: Tensor, motion: Motion, pull: Pull, x: Tensor, mask: Tensor, value: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    return None if moved is None else moved.masked_fill(mask, 0.0), None


# Products


def _product(function: Callable[..., Tensor]) -> Rule:
    """Move an operation that is linear in each of two factors."""

    def rule(out: Tensor, motion: Motion, pull: Pull, a: Any, b: Any) -> tuple[Moved, Moved]:
        left, right = motion(a), motion(b)
        of_left = None if left is None else function(left, b)
        of_right = None if right is None else function(a, right)
        both = None if left is None or right is None else dot(pull(), function(left, right)) * 2
        return total(of_left, of_right), both

    return rule


def _affine(function: Callable[..., Tensor]) -> Rule:
    """Move one that is linear in input and in weight, plus a bias: linear layers and convolutions."""

    def rule(
        out: Tensor,
        motion: Motion,
        pull: Pull,
        x: Tensor,
        weight: Tensor,
        bias: Moved = None,
        *rest: Any,
        **named: Any,
    ) -> tuple[Moved, Moved]:
        of_x, of_weight, of_bias = motion(x), motion(weight), motion(bias)
        if of_weight is None:
            return None if of_x is None else function(of_x, weight, None, *rest, **named), None
        moved = function(x, of_weight, of_bias, *rest, **named)
        if of_x is None:
            return moved, None
        moved += function(of_x, weight, None, *rest, **named)
        return moved, dot(pull(), function(of_x, of_weight, None, *rest, **named)) * 2

    return rule


# Element by element, and softmax


def _elementwise(activation: Activation) -> Rule:
    def rule(out: Tensor, motion: Motion, pull: Pull, x: Tensor, *_: Any, **__: Any) -> tuple[Moved, Moved]:
        moved = motion(x)
        if moved is None:
            return STILL
        slope, bend = torch.empty_like(x), torch.empty_like(x)
        activation(x.clone(), slope, bend)
        return slope.mul_(moved), dot(bend.mul_(moved).mul_(moved), pull())

    return rule


def _tanh(out: Tensor, motion: Motion, pull: Pull, x: Tensor) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    through = torch.ops.aten.tanh_backward(moved, out)
    return through, dot((through * moved).mul_(out), pull()) * -2


def _square(out: Tensor, motion: Motion, pull: Pull, x: Tensor) -> tuple[Moved, Moved]:
    moved = motion(x)
    return STILL if moved is None else ((x * moved).mul_(2), dot(moved.square(), pull()) * 2)


_LINEAR = (
    *(Tensor.view, Tensor.reshape, torch.reshape, Tensor.flatten, torch.flatten, Tensor.contiguous, Tensor.expand),
    *(Tensor.permute, Tensor.transpose, torch.transpose, Tensor.unsqueeze, Tensor.squeeze, Tensor.__getitem__),
    *(Tensor.unbind, torch.unbind, Tensor.sum, torch.sum, Tensor.mean, torch.mean, Tensor.neg),
    *(functional.avg_pool2d, functional.adaptive_avg_pool2d),
)
_BY_SOFTMAX = {
    softmax: (Tensor.softmax, torch.softmax, functional.softmax),
    log_softmax: (Tensor.log_softmax, torch.log_softmax, functional.log_softmax),
}
_ELEMENTWISE = {
    "gelu": (functional.gelu,),
    "silu": (functional.silu,),
    "sigmoid": (torch.sigmoid, Tensor.sigmoid),
    "softplus": (functional.softplus,),
}
_STRAIGHT: dict[Any, Rule] = {
    **{function: _linear_in_first(function) for function in _LINEAR},
    **{function: _plus(1.0) for function in (Tensor.add, torch.add)},
    **{function: _plus(-1.0) for function in (Tensor.sub, torch.sub)},
    **{function: _divided for function in (Tensor.div, torch.div)},
    **{function: _relu for function in (functional.relu, torch.relu, Tensor.relu)},
    functional.dropout: _kept,
    functional.max_pool2d: _pooled_most,
    functional.embedding: _embedding,
    Tensor.masked_fill: _masked_fill,
}
_BENT: dict[Any, Rule] = {
    **{function: _product(torch.mul) for function in (Tensor.mul, torch.mul)},
    **{function: _product(torch.matmul) for function in (Tensor.matmul, torch.matmul, Tensor.bmm, torch.bmm)},
    **{function: _affine(function) for function in (functional.linear, torch.conv1d, torch.conv2d, torch.conv3d)},
    **{function: _square for function in (Tensor.square, torch.square)},
    **{function: _tanh for function in (torch.tanh, Tensor.tanh)},
    **{function: rule for rule, functions in _BY_SOFTMAX.items() for function in functions},
    **{f: _elementwise(ACTIVATIONS[name]) for name, functions in _ELEMENTWISE.items() for f in functions},
    functional.layer_norm: layer_norm,
    functional.group_norm: group_norm,
    functional.batch_norm: batch_norm,
    functional.cross_entropy: cross_entropy,
    functional.mse_loss: mse_loss,
}
# What a call may not ask for, by name and by place among the arguments: there its rule would not hold.
_UNSAID: dict[Any, dict[str, tuple[int, Any]]] = {
    functional.relu: {"inplace": (1, False)},
    functional.silu: {"inplace": (1, False)},
    functional.gelu: {"approximate": (1, "none")},
    functional.softplus: {"beta": (1, 1), "threshold": (2, 20)},
    functional.dropout: {"training": (2, False), "inplace": (3, False)},
    functional.max_pool2d: {"return_indices": (6, False)},
    functional.embedding: {"padding_idx": (2, None), "max_norm": (3, None), "scale_grad_by_freq": (5, False)},
    functional.cross_entropy: {"weight": (2, None), "label_smoothing": (7, 0.0)},
    functional.mse_loss: {"weight": (5, None)},
}

RULES: dict[Any, Rule] = _STRAIGHT | _BENT
CURVED = frozenset(_BENT)  # those that may have a second-order term


def has_rule(function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Return whether a rule holds for this call."""
    if function not in RULES or "out" in named:
        return False
    for name, (place, value) in _UNSAID.get(function, {}).items():
        said = args[place] if len(args) > place else named.get(name, value)
        if said != value:
            return False
    if function in (Tensor.div, torch.div):
        return not (isinstance(args[1], Tensor) and args[1].requires_grad) and "rounding_mode" not in named
    if function is functional.cross_entropy:
        return len(args) == 2 and not args[1].is_floating_point() and args[0].ndim > 1
    return True
