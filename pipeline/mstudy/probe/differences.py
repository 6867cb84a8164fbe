"""Second derivatives by differences of gradients, where a backward pass has none of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import inner, norms
from mstudy.curvature.network import GRADIENT, LOSS, Evaluation

_ROUNDING_UNITS = 100.0  # of a gradient: how much of it may be rounding


class DifferenceEvaluation:
    """An evaluation at the row `w` (1, row_length) by gradients at weights beside it.

    evaluate: (w, order) -> evaluation. error: of the last curvature along a direction, at most: the difference between
    two lengths of the step, and rounding.
    """

    def __init__(self, evaluate: Callable[[Tensor, int], Evaluation], w: Tensor) -> None:
        self._evaluate, self._w = evaluate, w
        at = evaluate(w, GRADIENT)
        self._gradient = at.gradient().clone()
        self._loss = at.loss.clone()
        self._step = float(torch.finfo(w.dtype).eps) ** 0.25
        self.error = 0.0

    @property
    def loss(self) -> Tensor:
        """Mean loss, (1,)."""
        return self._loss

    def gradient(self) -> Tensor:
        """Return gradient of the loss, (1, row_length)."""
        return self._gradient

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Return d^T H d, (1,) float64, by two lengths of the step: their errors cancel to the fourth order."""
        near, far = (inner(self._slope(direction, size), direction) for size in (self._step, 2 * self._step))
        rounding = _ROUNDING_UNITS * torch.finfo(self._w.dtype).eps * norms(self._gradient) / self._step
        self.error = float((near - far).abs() + rounding)
        return (4 * near - far) / 3

    def hessian_operator(self) -> Callable[[Tensor], Tensor]:
        """Return v -> H v on (1, row_length)."""
        return lambda v: self._slope(v, self._step / max(float(norms(v)), torch.finfo(v.dtype).tiny))

    def loss_at(self, w: Tensor) -> Tensor:
        """Return the mean loss at other weights, (1,)."""
        return self._evaluate(w, LOSS).loss

    def _slope(self, direction: Tensor, size: float) -> Tensor:
        ahead, behind = (self._gradient_at(self._w + sign * size * direction) for sign in (1, -1))
        return (ahead - behind) / (2 * size)

    def _gradient_at(self, w: Tensor) -> Tensor:
        return self._evaluate(w, GRADIENT).gradient().clone()
