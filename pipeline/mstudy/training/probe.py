"""Measures the full training loss and its curvature at the weights of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.training.mlp import Forward, Mlp
from mstudy.training.sharpness import top_eigenpair

# Samples that one evaluation holds at once: the layer outputs of more fall out of the processor's cache.
SAMPLES_AT_ONCE = 4096


@dataclass(frozen=True)
class Measurement:
    """Per member, (n_members,) float64 on the CPU; NaN where not measured.

    loss: mean full training loss L(w). directional_curvature: u^T H u / ||u||^2 along the update u, H the Hessian of
    L. sharpness: largest eigenvalue of H; sharpness_residual: ||H v - sharpness v||.
    """

    loss: Tensor
    directional_curvature: Tensor
    sharpness: Tensor
    sharpness_residual: Tensor


class Probe:
    """The full training set, seen through a network of its own (so that scratch space is not shared)."""

    def __init__(self, network: Mlp, x: Tensor, y: Tensor) -> None:
        self._network, self._x, self._y = network, x, y
        self._members_at_once = max(1, SAMPLES_AT_ONCE // x.shape[0])

    def measure(self, w: Tensor, update: Tensor, eigenvectors: Tensor | None, at: Forward | None) -> Measurement:
        """Loss and curvature along `update` at `w`, both (n_members, n_parameters).

        eigenvectors: start of the search for the sharpness, overwritten by what it finds; None leaves it out.
        at: an evaluation on the full training set at `w`, where the caller has one already.
        """
        if at is not None:
            return self._measure_part(w, update, eigenvectors, at)
        parts = []
        for start in range(0, len(w), self._members_at_once):
            part = slice(start, start + self._members_at_once)
            at_part = self._network.forward(w[part], self._x, self._y)
            vectors = None if eigenvectors is None else eigenvectors[part]
            parts.append(self._measure_part(w[part], update[part], vectors, at_part))
        return Measurement(*(torch.cat(column) for column in zip(*(vars(p).values() for p in parts), strict=True)))

    def _measure_part(self, w: Tensor, update: Tensor, eigenvectors: Tensor | None, at: Forward) -> Measurement:
        # Along the unit vector: the square of a small update would leave the range of float32.
        direction = update / update.norm(dim=1, keepdim=True)
        curvature = self._network.curvature_along(w, direction, at)
        value = residual = torch.full_like(curvature, torch.nan)
        if eigenvectors is not None:
            top = top_eigenpair(self._network.hessian_operator(w, at), eigenvectors)
            value, residual = top.value, top.residual
            eigenvectors.copy_(torch.where(torch.isfinite(top.vector), top.vector, eigenvectors))
        return Measurement(at.loss.double().cpu(), curvature.cpu(), value.cpu(), residual.cpu())
