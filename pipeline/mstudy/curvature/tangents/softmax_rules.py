"""How softmax and the losses of torch move when their inputs move along a line, to first and second order."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from mstudy.curvature.tangents.motion import STILL, Motion, Moved, Pull, dot, total


def softmax(out: Tensor, motion: Motion, pull: Pull, x: Tensor, dim: int, **_: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    centred = moved - (out * moved).sum(dim, keepdim=True)
    through = out * centred
    spread = through * centred
    return through, dot(spread, pull()) - dot(spread.sum(dim, keepdim=True), (out * pull()).sum(dim, keepdim=True))


def log_softmax(out: Tensor, motion: Motion, pull: Pull, x: Tensor, dim: int, **_: Any) -> tuple[Moved, Moved]:
    moved = motion(x)
    if moved is None:
        return STILL
    centred, variance = _log_softmax_motion(out, moved, dim)
    return centred, -dot(variance, pull().sum(dim, keepdim=True))


def _log_softmax_motion(out: Tensor, moved: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Move log p: x' less its mean under p; second order: minus its variance under p."""
    p = out.exp()
    centred = moved - (p * moved).sum(dim, keepdim=True)
    return centred, (p * centred.square()).sum(dim, keepdim=True)


def cross_entropy(out: Tensor, motion: Motion, pull: Pull, x: Tensor, y: Tensor, **named: Any) -> tuple[Moved, Moved]:
    """Return the mean or the sum of elements of a log-softmax."""
    moved = motion(x)
    if moved is None:
        return STILL
    log_p = x.log_softmax(1)
    centred, variance = _log_softmax_motion(log_p, moved, 1)
    options = {key: named[key] for key in ("ignore_index", "reduction") if key in named}
    bent = functional.nll_loss(-variance.expand(x.shape), y, **options)
    return functional.nll_loss(centred, y, **options), dot(bent, pull())


def mse_loss(
    out: Tensor, motion: Motion, pull: Pull, x: Tensor, y: Tensor, reduction: str = "mean", **_: Any
) -> tuple[Moved, Moved]:
    left, right = motion(x), motion(y)
    moved = total(left, None if right is None else -right)
    if moved is None:
        return STILL
    share = 1 / moved.numel() if reduction == "mean" else 1.0
    through = 2 * share * (x - y) * moved
    bent = moved.square() * (2 * share)
    if reduction == "none":
        return through, dot(bent, pull())
    return through.sum(), bent.sum() * pull()
