"""The rules of softmax and of the losses of torch; see rules.py."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from mstudy.curvature.tangents.tangent import ZERO, Cotangent, TangentOf, Terms, dot, total


def softmax(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, dim: int, **_: Any) -> Terms:
    tangent = tangent_of(x)
    if tangent is None:
        return ZERO
    centred = tangent - (out * tangent).sum(dim, keepdim=True)
    through = out * centred
    spread = through * centred
    of_sum = (out * cotangent()).sum(dim, keepdim=True)
    return through, dot(spread, cotangent()) - dot(spread.sum(dim, keepdim=True), of_sum)


def log_softmax(out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, dim: int, **_: Any) -> Terms:
    tangent = tangent_of(x)
    if tangent is None:
        return ZERO
    centred, variance = _log_softmax_tangent(out, tangent, dim)
    return centred, -dot(variance, cotangent().sum(dim, keepdim=True))


def _log_softmax_tangent(out: Tensor, tangent: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the tangent of log p, which is x' less its mean under p, and the variance of x' under p."""
    p = out.exp()
    centred = tangent - (p * tangent).sum(dim, keepdim=True)
    return centred, (p * centred.square()).sum(dim, keepdim=True)


def cross_entropy(
    out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, y: Tensor, **named: Any
) -> Terms:
    """Apply the rule of the mean, or the sum, of elements of a log-softmax."""
    tangent = tangent_of(x)
    if tangent is None:
        return ZERO
    log_p = x.log_softmax(1)
    centred, variance = _log_softmax_tangent(log_p, tangent, 1)
    options = {key: named[key] for key in ("ignore_index", "reduction") if key in named}
    second_order = functional.nll_loss(-variance.expand(x.shape), y, **options)
    return functional.nll_loss(centred, y, **options), dot(second_order, cotangent())


def mse_loss(
    out: Tensor, tangent_of: TangentOf, cotangent: Cotangent, x: Tensor, y: Tensor, reduction: str = "mean", **_: Any
) -> Terms:
    left, right = tangent_of(x), tangent_of(y)
    tangent = total(left, None if right is None else -right)
    if tangent is None:
        return ZERO
    share = 1 / tangent.numel() if reduction == "mean" else 1.0
    through = 2 * share * (x - y) * tangent
    second_order = tangent.square() * (2 * share)
    if reduction == "none":
        return through, dot(second_order, cotangent())
    return through.sum(), second_order.sum() * cotangent()
