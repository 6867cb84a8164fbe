"""Check that an update is larger than the rounding error of the weights."""

from __future__ import annotations

import torch
from torch import Tensor


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
    return moved > 0 and error <= 0.01 * moved


def last_digit(x: Tensor) -> Tensor:
    """Return the distance from |x| to the next number of its dtype, float64."""
    _, exponent = torch.frexp(x.double())  # |x| in [2^(exponent - 1), 2^exponent)
    smallest = torch.finfo(x.dtype).smallest_normal
    spacing = torch.ldexp(torch.full_like(x, torch.finfo(x.dtype).eps, dtype=torch.float64), exponent - 1)
    return spacing.clamp_min(smallest * torch.finfo(x.dtype).eps)
