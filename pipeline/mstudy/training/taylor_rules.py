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

from mstudy.training.activations import ACTIVATIONS, Activation

Moved = Tensor | None
Motion = Callable[[Any], Moved]
Pull = Callable[[], Tensor]
Rule = Callable[..., tuple[Any, Moved]]
STILL: tuple[Moved, Moved] = (None, None)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Over all elements; torch sums in pairs of pairs, so float32 loses no digit of it."""
    return (a * b).sum()


def _sum(*parts: Moved) -> Moved:
    there = [part for part in parts if part is not None]
    return sum(there[1:], there[0]) if there else None


# Linear operations


def _linear_in_first(function: Callable[..., Any]) -> Rule:
    """Also of operations on one tensor that are linear where they are: they pick, sum up or move elements."""

    def rule(out: Any, motion: Motion, pull: Pull, x: Tensor, *rest: Any, **named: Any) -> tuple[Any, Moved]:
        moved = motion(x)
        return None if moved is None else function(moved, *rest, **named), None

    return rule


def _plus(sign: float) -> Rule:
    def rule(out: Tensor, motion: Motion, pull: Pull, a: Any, b: Any, *, alpha: float = 1) -> tuple[Moved, Moved]:
        left, right = motion(a), motion(b)
        factor = sign * alpha
        moved = _sum(left, right if right is None or factor == 1 else right * factor)
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
    """Linear in each of two factors."""

    def rule(out: Tensor, motion: Motion, pull: Pull, a: Any, b: Any) -> tuple[Moved, Moved]:
        left, right = motion(a), motion(b)
        of_left, of_right = (
            (None if left is None else function(left, b)),
            (None if right is None else function(a, right)),
        )
        both = None if left is None or right is None else _dot(pull(), function(left, right)) * 2
        return _sum(of_left, of_right), both

    return rule


def _affine(function: Callable[..., Tensor]) -> Rule:
    """Linear in each of input and weight, plus a bias: linear layers and convolutions."""

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
        return moved, _dot(pull(), function(of_x, of_weight, None, *rest, **named)) * 2

    return rule


# Element by element, and softmax


def _elementwise(activation: Activation) -> Rule:
    def rule(out: Tensor, motion: Motion, pull: Pull, x: Tensor, *_: Any, **__: Any) -> tuple[Moved, Moved]:
        moved = motion(x)
        if moved is None:
            return STILL
        slope, bend = torch.empty_like(x), torch.empty_like(x)
        activation(x.clone(), slope, bend)
        return slope.mul_(moved), _dot(bend.mul_(moved).mul_(moved), pull())

    return rule


def _tanh(out: Tensor, motion: Motion, pull: Pull, x: Tensor) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    through = torch.ops.aten.tanh_backward(moved, out)
    return through, _dot((through * moved).mul_(out), pull()) * -2


def _square(out: Tensor, motion: Motion, pull: Pull, x: Tensor) -> tuple[Moved, Moved]:
    moved = motion(x)
    return STILL if moved is None else ((x * moved).mul_(2), _dot(moved.square(), pull()) * 2)


def _softmax(out: Tensor, motion: Motion, pull: Pull, x: Tensor, dim: int, **_: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    centred = moved - (out * moved).sum(dim, keepdim=True)
    through = out * centred
    spread = through * centred
    return through, _dot(spread, pull()) - _dot(spread.sum(dim, keepdim=True), (out * pull()).sum(dim, keepdim=True))


def _log_softmax(out: Tensor, motion: Motion, pull: Pull, x: Tensor, dim: int, **_: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    centred, variance = _log_softmax_motion(out, moved, dim)
    return centred, -_dot(variance, pull().sum(dim, keepdim=True))


def _log_softmax_motion(out: Tensor, moved: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Of the logarithm of p: x' less its mean under p, and minus the second-order term, its variance under p."""
    p = out.exp()
    centred = moved - (p * moved).sum(dim, keepdim=True)
    return centred, (p * centred.square()).sum(dim, keepdim=True)


def _cross_entropy(out: Tensor, motion: Motion, pull: Pull, x: Tensor, y: Tensor, **named: Any) -> tuple[Moved, Moved]:
    """The mean or the sum of elements of a log-softmax."""
    moved = motion(x)
    if moved is None:
        return STILL
    log_p = x.log_softmax(1)
    centred, variance = _log_softmax_motion(log_p, moved, 1)
    options = {key: named[key] for key in ("ignore_index", "reduction") if key in named}
    bent = functional.nll_loss(-variance.expand(x.shape), y, **options)
    return functional.nll_loss(centred, y, **options), _dot(bent, pull())


def _mse_loss(
    out: Tensor, motion: Motion, pull: Pull, x: Tensor, y: Tensor, reduction: str = "mean", **_: Any
) -> tuple[Moved, Moved]:
    left, right = motion(x), motion(y)
    moved = _sum(left, None if right is None else -right)
    if moved is None:
        return STILL
    share = 1 / moved.numel() if reduction == "mean" else 1.0
    through = 2 * share * (x - y) * moved
    bent = moved.square() * (2 * share)
    if reduction == "none":
        return through, _dot(bent, pull())
    return through.sum(), bent.sum() * pull()


# Normalisation: n = (x - mean) / sqrt(variance + eps), then weight * n + bias.
#
# With r = 1 / sqrt(variance + eps), m = r (x' - mean(x')), s = mean(n m) and v = mean(m^2), means over what is
# normalised together: n' = m - s n, and the second-order term of n is (3 s^2 - v) n - 2 s m.


def _layer_norm(
    out: Tensor,
    motion: Motion,
    pull: Pull,
    x: Tensor,
    shape: tuple[int, ...],
    weight: Moved = None,
    bias: Moved = None,
    eps: float = 1e-5,
) -> tuple[Moved, Moved]:
    dims, moved = tuple(range(-len(shape), 0)), motion(x)
    of_weight, of_bias = motion(weight), motion(bias)
    n, _, r = torch.native_layer_norm(x, tuple(shape), None, None, eps)
    stretched = None if of_weight is None else n * of_weight
    shifted = None if of_bias is None else of_bias.expand(out.shape)
    if moved is None:
        return _sum(stretched, shifted), None
    m = (moved - moved.mean(dims, keepdim=True)).mul_(r)
    s, v = (n * m).mean(dims, keepdim=True), m.square().mean(dims, keepdim=True)
    through = torch.addcmul(m, n, s, value=-1)
    against = pull() if weight is None else pull() * weight
    bent = _dot(against, (m * s).mul_(-2).addcmul_(n, 3 * s.square() - v))
    if of_weight is not None:
        bent = bent + 2 * _dot(pull() * of_weight, through)
    return _sum(through if weight is None else through * weight, stretched, shifted), bent


def _group_norm(
    out: Tensor,
    motion: Motion,
    pull: Pull,
    x: Tensor,
    groups: int,
    weight: Moved = None,
    bias: Moved = None,
    eps: float = 1e-5,
) -> tuple[Moved, Moved]:
    n_samples, n_channels = x.shape[:2]
    n, _, r = torch.native_group_norm(x.contiguous(), None, None, n_samples, n_channels, x[0, 0].numel(), groups, eps)

    def together(t: Tensor) -> Tensor:
        """(n_samples, n_channels) to the mean over each group, laid out alike."""
        means = t.view(n_samples, groups, -1).mean(2, keepdim=True)
        return means.expand(-1, -1, n_channels // groups).reshape(n_samples, n_channels)

    per_channel = r.view(n_samples, groups, 1).expand(-1, -1, n_channels // groups).reshape(n_samples, n_channels)
    return _by_channel(n, per_channel, together, motion, pull, x, weight, bias)


def _batch_norm(
    out: Tensor,
    motion: Motion,
    pull: Pull,
    x: Tensor,
    mean: Moved,
    variance: Moved,
    weight: Moved = None,
    bias: Moved = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Moved, Moved]:
    if training or mean is None or variance is None:
        n, _, r = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        return _by_channel(n, r[None], lambda t: t.mean(0, keepdim=True), motion, pull, x, weight, bias)
    shape = (-1, *(1,) * (x.ndim - 2))
    r = (variance + eps).rsqrt()
    n = (x - mean.view(shape)) * r.view(shape)
    return _by_channel(n, r[None], None, motion, pull, x, weight, bias)


def _by_channel(
    n: Tensor,
    r: Tensor,
    together: Callable[[Tensor], Tensor] | None,
    motion: Motion,
    pull: Pull,
    x: Tensor,
    weight: Moved,
    bias: Moved,
) -> tuple[Moved, Moved]:
    """Where weight, bias and r are constant over the pixels of a channel: few passes over the pixels are enough.

    n: (n_samples, n_channels, ...). r: (n_samples or 1, n_channels). together: from means over pixels
    (n_samples, n_channels) to means over what is normalised together, or None: by constants.
    """
    moved, of_weight, of_bias = motion(x), motion(weight), motion(bias)
    rows = (*n.shape[:2], -1)
    n = n.view(rows)
    gain = torch.ones_like(r[:1]) if weight is None else weight[None]
    stretch = torch.zeros_like(gain) if of_weight is None else of_weight[None]
    shift = torch.zeros_like(gain) if of_bias is None else of_bias[None]
    if moved is None:
        return (n * stretch[..., None] + shift[..., None]).view(x.shape), None
    d, delta = moved.reshape(rows), pull().reshape(rows)
    s = v = mean = torch.zeros_like(r)
    if together is not None:
        mean = together(d.mean(2))
        s = r * together((n * d).mean(2))
        v = r.square() * (together(d.square().mean(2)) - mean.square())
    along_n, along_d = (delta * n).sum(2), (delta * d).sum(2)
    along_m = r * (along_d - mean * delta.sum(2)) if together is not None else r * along_d
    bent = gain * ((3 * s.square() - v) * along_n - 2 * s * along_m) + 2 * stretch * (along_m - s * along_n)
    through = d * (gain * r)[..., None]  # torch.addcmul takes thrice as long where it has to broadcast
    through += n * (stretch - gain * s)[..., None]
    through += (shift - gain * r * mean)[..., None]
    return through.view(x.shape), bent.sum()


_LINEAR = (
    *(Tensor.view, Tensor.reshape, torch.reshape, Tensor.flatten, torch.flatten, Tensor.contiguous, Tensor.expand),
    *(Tensor.permute, Tensor.transpose, torch.transpose, Tensor.unsqueeze, Tensor.squeeze, Tensor.__getitem__),
    *(Tensor.unbind, torch.unbind, Tensor.sum, torch.sum, Tensor.mean, torch.mean, Tensor.neg),
    *(functional.avg_pool2d, functional.adaptive_avg_pool2d),
)
_BY_SOFTMAX = {
    _softmax: (Tensor.softmax, torch.softmax, functional.softmax),
    _log_softmax: (Tensor.log_softmax, torch.log_softmax, functional.log_softmax),
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
    functional.layer_norm: _layer_norm,
    functional.group_norm: _group_norm,
    functional.batch_norm: _batch_norm,
    functional.cross_entropy: _cross_entropy,
    functional.mse_loss: _mse_loss,
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
    """Whether a rule holds for this call."""
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
