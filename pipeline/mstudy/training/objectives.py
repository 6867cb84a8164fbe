"""Objectives: the mean loss of a batch as a function of the network's outputs, with two derivatives.

Shapes throughout: outputs `f` and targets `y` are (n_members, n_samples, n_classes), losses (n_members,).
Targets are one-hot; the mean runs over samples, the sum over classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """A loss as three functions of the outputs.

    loss_and_residual(f, y): losses (n_members,) and d loss / d f, shape of f.
    curvature_product(f, d): Hessian of the loss in f applied to an output direction d, shape of f.
    """

    loss_and_residual: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    curvature_product: Callable[[Tensor, Tensor], Tensor]


def _squared_error(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    error = f - y
    loss = error.square().sum(dim=(1, 2)).div_(2 * f.shape[1])
    return loss, error.div_(f.shape[1])


def _squared_error_curvature(f: Tensor, d: Tensor) -> Tensor:
    return d / f.shape[1]


def _cross_entropy(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    log_p = torch.log_softmax(f, dim=2)
    loss = -(log_p * y).sum(dim=(1, 2)) / f.shape[1]
    return loss, (log_p.exp() - y).div_(f.shape[1])


def _cross_entropy_curvature(f: Tensor, d: Tensor) -> Tensor:
    p = torch.softmax(f, dim=2)
    return p * (d - (p * d).sum(dim=2, keepdim=True)) / f.shape[1]


OBJECTIVES = {
    # 1/2 ||f - y||^2, the convention of Cohen et al. 2021 (arXiv 2103.00065).
    "squared_error": Objective(_squared_error, _squared_error_curvature),
    "cross_entropy": Objective(_cross_entropy, _cross_entropy_curvature),
}
