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
    p = out.exp()
    centred = tangent - (p * tangent).sum(dim, keepdim=True)
    variance = (p * centred.square()).sum(dim, keepdim=True)
    return centred, -dot(variance, cotangent().sum(dim, keepdim=True))


def cross_entropy_in_steps(x: Tensor, y: Tensor, *rest: Any, **named: Any) -> Tensor | None:
    """Compute the cross-entropy of labels as torch does, by two operations that have rules; None where it differs."""
    if rest or named.get("weight") is not None or named.get("label_smoothing") or y.is_floating_point():
        return None
    options = {key: named[key] for key in ("size_average", "ignore_index", "reduce", "reduction") if key in named}
    return functional.nll_loss(x.log_softmax(min(x.ndim - 1, 1)), y, **options)


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
