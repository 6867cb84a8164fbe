"""Check that an update is larger than the rounding error of the weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import norms

_BLOCK = 512  # numbers that are summed up in their own precision
_MANY = 64 * _BLOCK  # of which the roundings cancel
_SAFE = 1e-15, 1e15  # norms whose squares are numbers of float32
_SHARE = 0.1  # of the length of an update: so much of it may be rounding


def length(row: Tensor) -> float:
    """Return the Euclidean norm of the row, (n,), to eight digits: in float64 over the norms of blocks."""
    if len(row) < _MANY:
        return float(norms(row[None]))
    n_blocks = len(row) // _BLOCK
    blocks = torch.linalg.vector_norm(row[: n_blocks * _BLOCK].view(-1, _BLOCK), dim=1).double()
    rest = row[n_blocks * _BLOCK :].double()
    norm = float((blocks.square().sum() + rest.square().sum()).sqrt())
    return norm if _SAFE[0] < norm < _SAFE[1] else float(norms(row[None]))


def clearly_survives(w: Tensor, update_norm: float, dtypes: Iterable[torch.dtype]) -> bool:
    """Return whether two norms alone show it; where they do not, `survives` looks at each weight.

    w: all weights before the update, (n,). dtypes: those that the weights are kept in. A last digit u_i is at most eps
    times the weight, or the least number of its dtype, so the squares of all u_i have a sum of at most eps^2 times that
    of the weights after the update.
    """
    kept = [torch.finfo(dtype) for dtype in dtypes]
    eps, least = max(each.eps for each in kept), max(each.smallest_normal for each in kept)
    moved = update_norm**2
    # Squares that are too small for their dtype count as its smallest normal number.
    size = float(torch.dot(w, w)) + len(w) * torch.finfo(w.dtype).tiny
    error = eps**2 * (2 * (size + moved) + len(w) * least**2) / 12
    return error <= _SHARE**2 / 2 * moved


def survives(before: list[Tensor], after: list[Tensor], gradients: list[Tensor | None]) -> bool:
    """Return whether rounding changed the update after - before by a tenth of its length at most.

    The exact update is not known, but the last digit u_i of each weight is. A weight that moved, or has a gradient,
    is off by up to u_i / 2 either way, so by u_i / sqrt(12) in the root mean square. A weight that did not move and
    has a gradient of zero is not off.
    """
    error = moved = 0.0
    for old, new, gradient in zip(before, after, gradients, strict=True):
        step = new.double() - old.double()
        touched = step != 0
        if gradient is not None:
            touched |= gradient.to_dense() != 0
        error += float((last_digit(new).square() * touched).sum()) / 12
        moved += float(step.square().sum())
    return moved > 0 and error <= _SHARE**2 * moved


def last_digit(x: Tensor) -> Tensor:
    """Return the distance from |x| to the next number of its dtype, float64."""
    _, exponent = torch.frexp(x.double())  # |x| in [2^(exponent - 1), 2^exponent)
    smallest = torch.finfo(x.dtype).smallest_normal
    spacing = torch.ldexp(torch.full_like(x, torch.finfo(x.dtype).eps, dtype=torch.float64), exponent - 1)
    return spacing.masked_fill(x == 0, 0.0).clamp_min(smallest * torch.finfo(x.dtype).eps)
