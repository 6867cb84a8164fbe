"""Activations with their first two derivatives, element by element and in place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# (z, slope, bend): overwrites z by h(z), fills slope with h'(z) and, unless it is None, bend with h''(z).
Activation = Callable[[Tensor, Tensor, Tensor | None], None]


def tanh_(z: Tensor) -> Tensor:
    """Return tanh in place. On the CPU through NumPy, whose vectorised kernel is some ten times faster than torch's."""
    if z.device.type == "cpu":
        array = z.numpy()
        np.tanh(array, out=array)
        return z
    return z.tanh_()


def _tanh(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    tanh_(z)
    torch.mul(z, z, out=slope).neg_().add_(1)
    if bend is not None:
        torch.mul(z, slope, out=bend).mul_(-2)


def _relu(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    torch.gt(z, 0, out=slope)
    z.clamp_min_(0)
    if bend is not None:
        bend.zero_()


def _sigmoid(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    z.sigmoid_()
    torch.mul(z, z, out=slope).neg_().add_(z)
    if bend is not None:
        torch.mul(z, -2, out=bend).add_(1).mul_(slope)


def _softplus(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    torch.sigmoid(z, out=slope)
    z.copy_(torch.logaddexp(z, z.new_zeros(())))
    if bend is not None:
        torch.mul(slope, slope, out=bend).neg_().add_(slope)


def _silu(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    gate = torch.sigmoid(z)
    fall = 1 - gate
    torch.mul(z, fall, out=slope).add_(1).mul_(gate)
    if bend is not None:  # gate (1 - gate) (2 + z (1 - 2 gate))
        torch.sub(fall, gate, out=bend).mul_(z).add_(2).mul_(gate).mul_(fall)
    z.mul_(gate)


def _gelu(z: Tensor, slope: Tensor, bend: Tensor | None) -> None:
    """Compute the exact form z Phi(z), Phi the normal distribution; torch.nn.GELU's default."""
    share = torch.erf(z * math.sqrt(0.5)).add_(1).mul_(0.5)
    density = z.square().mul_(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
    torch.mul(z, density, out=slope).add_(share)
    if bend is not None:
        torch.mul(z, z, out=bend).neg_().add_(2).mul_(density)
    z.mul_(share)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": _tanh,
    "relu": _relu,
    "gelu": _gelu,
    "silu": _silu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}
