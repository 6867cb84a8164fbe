"""One recorded forward pass of a user's module: nothing that is cut off from a derivative counts as zero."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from mstudy.core.errors import TrainingError
from mstudy.curvature.module_network import Differentiable, ModuleEvaluation
from mstudy.curvature.network import LOSS
from mstudy.probe.checks.connections import Connections
from mstudy.probe.failures import NoSecondDerivative


class Connected(Differentiable[Any], Protocol):
    """A loss that says which parameters its graphs reach. by_tape: whether all its calls have had rules."""

    names: list[str]
    connections: Connections
    by_tape: bool


class UserEvaluation(ModuleEvaluation):
    """As ModuleEvaluation; where a rule of the tape fails on a user's call, by double backward.

    Raises NoSecondDerivative where a backward pass cannot be differentiated.
    """

    def __init__(self, network: Connected, w: Tensor, batch: Any, order: int) -> None:
        self._user_module = network
        self.uses_tape = network.by_tape
        super().__init__(network, w, batch, order)
        if order > LOSS and not self._loss.requires_grad:
            raise TrainingError(
                "loss(module, batch) must depend on the trainable parameters by operations that torch differentiates, "
                "found a loss without a gradient; look for .detach(), .item() or torch.no_grad() on its way."
            )

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Compute d^T H d, (1,)."""
        if self._tape is None:
            return super().curvature_along(direction)
        try:
            return super().curvature_along(direction)
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError):
            self._user_module.by_tape = False
            return self._anew().curvature_along(direction)

    def _gradients(self, differentiable: bool) -> list[Tensor]:
        if not differentiable:
            return super()._gradients(differentiable)
        # Each gradient is linear in the seed: one that does not depend on it comes of a backward pass that is cut off.
        seed = torch.ones_like(self._loss).requires_grad_()
        inputs = [*self._leaves, *self._curved_outputs]
        gradients = torch.autograd.grad(
            self._loss, inputs, seed, retain_graph=True, create_graph=True, allow_unused=True
        )
        for name, gradient in zip(self._user_module.names, gradients, strict=False):
            if gradient is not None and not gradient.requires_grad:
                functions = ", ".join(sorted(self._user_module.connections.functions)) or "an operation of your own"
                raise NoSecondDerivative(
                    f"The backward pass must be differentiable, found one that is not on the way to {name} "
                    f"({functions}); write it with operations of torch on its saved tensors."
                )
        return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, gradients, strict=True)]
