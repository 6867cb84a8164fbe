"""Objectives: the mean loss of a batch as a function of the network's outputs, with two derivatives.

Shapes throughout: outputs `f` and targets `y` are (n_members, n_samples, n_outputs), losses (n_members,).
Targets are one-hot, or real numbers to be fitted; the mean runs over samples, the sum over outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """A loss as functions of the outputs.

    loss(f, y): losses (n_members,), differentiable. residual(f, y, out): losses, and d loss / d f written to `out`.
    curvature_product(f, d, out): Hessian of the loss in f applied to an output direction d, written to `out`.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    residual: Callable[[Tensor, Tensor, Tensor], Tensor]
    curvature_product: Callable[[Tensor, Tensor, Tensor], Tensor]


def _squared_error(f: Tensor, y: Tensor) -> Tensor:
    return (f - y).square().sum(dim=(1, 2)) / (2 * f.shape[1])


def _squared_error_residual(f: Tensor, y: Tensor, out: Tensor) -> Tensor:
    torch.sub(f, y, out=out)
    loss = out.square().sum(dim=(1, 2)).div_(2 * f.shape[1])
    out.div_(f.shape[1])
    return loss


def _squared_error_curvature(f: Tensor, d: Tensor, out: Tensor) -> Tensor:
    return torch.div(d, f.shape[1], out=out)


def _cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    return (torch.log_softmax(f, dim=2) * y).sum(dim=(1, 2)) / -f.shape[1]


def _cross_entropy_residual(f: Tensor, y: Tensor, out: Tensor) -> Tensor:
    log_p = torch.log_softmax(f, dim=2)
    loss = -(log_p * y).sum(dim=(1, 2)) / f.shape[1]
    torch.sub(log_p.exp_(), y, out=out).div_(f.shape[1])
    return loss


def _cross_entropy_curvature(f: Tensor, d: Tensor, out: Tensor) -> Tensor:
    p = torch.softmax(f, dim=2)
    mean = (p * d).sum(dim=2, keepdim=True)
    return torch.sub(d, mean, out=out).mul_(p).div_(f.shape[1])


OBJECTIVES = {
    # 1/2 ||f - y||^2, the convention of Cohen et al. 2021 (arXiv 2103.00065).
    "squared_error": Objective(_squared_error, _squared_error_residual, _squared_error_curvature),
    "cross_entropy": Objective(_cross_entropy, _cross_entropy_residual, _cross_entropy_curvature),
}
