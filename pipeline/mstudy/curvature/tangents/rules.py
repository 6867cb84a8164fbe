"""The rule of each operation: its tangent, and its term in the second derivative of the loss.

A rule takes a call's output, `tangent_of` (from a tensor to its tangent x', its first derivative along the line; None
where it is zero), `cotangent` (gives the derivative of the loss in the output) and the call's own arguments. It
returns the tangent of the output, and the product of the cotangent with the second derivative in e of f(x + e x'), ().
None stands for zero in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mstudy.curvature.activation_derivatives import ACTIVATIONS, Activation
from mstudy.curvature.tangents.normalisation_rules import batch_norm, group_norm, layer_norm
from mstudy.curvature.tangents.softmax_rules import cross_entropy_in_steps, log_softmax, mse_loss, softmax
from mstudy.curvature.tangents.tangent import ZERO, Cotangent, Rule, Tangent, TangentOf, Terms, dot_in_place, total

# Linear operations


def _linear_in_first(function: Callable[..., Any]) -> Rule:
    """Return the rule of an operation that is linear in its first argument: it picks, sums up or moves elements."""

    def rule(
        out: Any, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, *rest: Any, **named: Any
    ) -> tuple[Any, Tangent]:
        tangent = tangent_of(x)
        return None if tangent is None else function(tangent, *rest, **named), None

    return rule


def _sum(sign: float) -> Rule:
    def rule(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, a: Any, b: Any, *, alpha: float = 1) -> Terms:
        left, right = tangent_of(a), tangent_of(b)
        factor = sign * alpha
        tangent = total(left, right if right is None or factor == 1 else right * factor)
        return None if tangent is None else tangent.expand(out.shape), None

    return rule


def _divided(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, by: Any) -> Terms:
    tangent = tangent_of(x)
    return None if tangent is None else tangent / by, None


def _unchanged(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, *_: Any, **__: Any) -> Terms:
    return tangent_of(x), None


def _relu(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, *_: Any, **__: Any) -> Terms:
    tangent = tangent_of(x)
    return None if tangent is None else torch.ops.aten.threshold_backward(tangent, out, 0), None


def _max_pool(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, *rest: Any, **named: Any) -> Terms:
    tangent = tangent_of(x)
    if tangent is None:
        return ZERO
    _, places = functional.max_pool2d(x, *rest, **(named | {"return_indices": True}))
    return tangent.flatten(-2).gather(-1, places.flatten(-2)).view(out.shape), None


def _embedding(
    out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, weight: Tensor, *_: Any, **__: Any
) -> Terms:
    tangent = tangent_of(weight)
    return None if tangent is None else functional.embedding(x, tangent), None


def _masked_fill(
    out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, mask: Tensor, value: Any
) -> Terms:
    tangent = tangent_of(x)
    return None if tangent is None else tangent.masked_fill(mask, 0.0), None


# Products


def _product(function: Callable[..., Tensor]) -> Rule:
    """Return the rule of an operation that is linear in each of two factors."""

    def rule(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, a: Any, b: Any) -> Terms:
        left, right = tangent_of(a), tangent_of(b)
        of_left = None if left is None else function(left, b)
        of_right = None if right is None else function(a, right)
        both = None if left is None or right is None else dot_in_place(function(left, right), cotangent()) * 2
        return total(of_left, of_right), both

    return rule


def _affine(function: Callable[..., Tensor]) -> Rule:
    """Return the rule of linear layers and convolutions: linear in input and in weight, plus a bias."""

    def rule(
        out: Tensor,
        tangent_of: TangentOf,
        cotangent: Cotangent,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **named: Any,
    ) -> Terms:
        of_x, of_weight, of_bias = tangent_of(x), tangent_of(weight), tangent_of(bias)
        if of_weight is None:
            return None if of_x is None else function(of_x, weight, None, *rest, **named), None
        tangent = function(x, of_weight, of_bias, *rest, **named)
        if of_x is None:
            return tangent, None
        tangent += function(of_x, weight, None, *rest, **named)
        return tangent, dot_in_place(function(of_x, of_weight, None, *rest, **named), cotangent()) * 2

    return rule


# Element by element, and softmax


def _elementwise(activation: Activation) -> Rule:
    def rule(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, *_: Any, **__: Any) -> Terms:
        tangent = tangent_of(x)
        if tangent is None:
            return ZERO
        d1, d2 = torch.empty_like(x), torch.empty_like(x)
        activation(x.clone(), d1, d2)
        return d1.mul_(tangent), dot_in_place(d2.mul_(tangent).mul_(tangent), cotangent())

    return rule


def _tanh(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor) -> Terms:
    tangent = tangent_of(x)
    if tangent is None:
        return ZERO
    through = torch.ops.aten.tanh_backward(tangent, out)
    return through, dot_in_place((through * tangent).mul_(out), cotangent()) * -2


def _square(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor) -> Terms:
    tangent = tangent_of(x)
    return ZERO if tangent is None else ((x * tangent).mul_(2), dot_in_place(tangent.square(), cotangent()) * 2)


_LINEAR = (
    *(Tensor.reshape, torch.reshape, Tensor.flatten, torch.flatten, Tensor.contiguous, Tensor.expand),
    *(Tensor.permute, Tensor.transpose, torch.transpose, Tensor.unsqueeze, Tensor.squeeze, Tensor.__getitem__),
    *(Tensor.unbind, torch.unbind, Tensor.sum, torch.sum, Tensor.mean, torch.mean, Tensor.neg),
    *(functional.avg_pool2d, functional.adaptive_avg_pool2d, functional.nll_loss),
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
_FIRST_ORDER: dict[Any, Rule] = {
    **{function: _linear_in_first(function) for function in _LINEAR},
    Tensor.view: _linear_in_first(Tensor.reshape),  # a tangent may have other strides than its tensor
    **{function: _sum(1.0) for function in (Tensor.add, torch.add)},
    **{function: _sum(-1.0) for function in (Tensor.sub, torch.sub)},
    **{function: _divided for function in (Tensor.div, torch.div)},
    **{function: _relu for function in (functional.relu, torch.relu, Tensor.relu)},
    functional.dropout: _unchanged,
    functional.max_pool2d: _max_pool,
    functional.embedding: _embedding,
    Tensor.masked_fill: _masked_fill,
}
_SECOND_ORDER: dict[Any, Rule] = {
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
    functional.mse_loss: mse_loss,
}
# Arguments, by name and place, for which a rule holds only at this value, the default of torch.
_REQUIRED_ARGUMENTS: dict[Any, dict[str, tuple[int, Any]]] = {
    functional.relu: {"inplace": (1, False)},
    functional.silu: {"inplace": (1, False)},
    functional.gelu: {"approximate": (1, "none")},
    functional.softplus: {"beta": (1, 1), "threshold": (2, 20)},
    functional.dropout: {"training": (2, False), "inplace": (3, False)},
    functional.max_pool2d: {"return_indices": (6, False)},
    functional.embedding: {"padding_idx": (2, None), "max_norm": (3, None), "scale_grad_by_freq": (5, False)},
    functional.mse_loss: {"weight": (5, None)},
}

# What has no rule of its own and is computed by operations that have one; such a function returns None where it cannot.
IN_STEPS: dict[Any, Callable[..., Any]] = {functional.cross_entropy: cross_entropy_in_steps}

RULES: dict[Any, Rule] = _FIRST_ORDER | _SECOND_ORDER
CURVED = frozenset(_SECOND_ORDER)  # operations that may have a second-order term


def has_rule(function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Return whether a rule holds for this call."""
    if function not in RULES or "out" in named:
        return False
    for name, (place, value) in _REQUIRED_ARGUMENTS.get(function, {}).items():
        given = args[place] if len(args) > place else named.get(name, value)
        if given != value:
            return False
    if function in (Tensor.div, torch.div):
        return not (isinstance(args[1], Tensor) and args[1].requires_grad) and "rounding_mode" not in named
    return True
