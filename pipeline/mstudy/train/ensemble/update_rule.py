"""SGD, heavy ball and Nesterov, each member with a learning rate and a momentum of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mstudy.core.optimizers import NESTEROV
from mstudy.train.configs import RunConfig


class Sgd:
    """The rule of torch.optim.SGD without dampening: v <- mu v + g, w <- w - eta v; Nesterov's form g + mu v for v.

    Weight decay adds lambda w to the gradient; the learning rate rises linearly over the first `warmup_steps`.
    step: from which on the rule is meant, up to the next at which a member branches.
    """

    def __init__(self, runs: Sequence[RunConfig], step: int, dtype: torch.dtype, device: torch.device) -> None:
        self._shared, self._dtype, self._device = runs[0], dtype, device
        rules = [run.rule_at(step) for run in runs]
        self._learning_rate = self._column([rule.learning_rate for rule in rules])
        self._momentum = self._column([rule.momentum for rule in rules])
        nesterov = [float(rule.optimizer == NESTEROV) for rule in rules]
        self._nesterov = self._column(nesterov) if any(nesterov) else None
        self._rate = self._learning_rate

    def accelerate(self, step: int, w: Tensor, velocity: Tensor, gradient: Tensor) -> Tensor:
        """Advance `velocity`; the direction that the step goes against, all (n_members, row_length)."""
        shared = self._shared
        if shared.weight_decay:
            gradient = gradient.add(w, alpha=shared.weight_decay)
        torch.addcmul(gradient, velocity, self._momentum, out=velocity)
        self._rate = self._learning_rate
        if step < shared.warmup_steps:
            self._rate = self._learning_rate * ((step + 1) / shared.warmup_steps)
        if self._nesterov is None:
            return velocity
        return torch.where(self._nesterov > 0, torch.addcmul(gradient, velocity, self._momentum), velocity)

    def update(self, direction: Tensor) -> Tensor:
        """w_{t+1} - w_t as a tensor of its own; only who measures needs it."""
        return direction * -self._rate

    def move(self, w: Tensor, direction: Tensor) -> None:
        """Advance the weights, in one pass: in small networks the passes over them cost as much as the products."""
        w.addcmul_(direction, -self._rate)

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self._device)[:, None]
