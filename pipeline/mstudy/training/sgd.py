"""SGD, heavy ball and Nesterov, each member with a learning rate and a momentum of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mstudy.runlog.schema import NESTEROV
from mstudy.training.plan import RunConfig


class Sgd:
    """The rule of torch.optim.SGD without dampening: v <- mu v + g, w <- w - eta v; Nesterov's form g + mu v for v.

    Weight decay adds lambda w to the gradient; the learning rate rises linearly over the first `warmup_steps`.
    """

    def __init__(self, runs: Sequence[RunConfig], dtype: torch.dtype, device: torch.device) -> None:
        self._shared, self._dtype, self._device = runs[0], dtype, device
        self._learning_rate = self._column([run.learning_rate for run in runs])
        self._momentum = self._column([run.momentum for run in runs])
        nesterov = [float(run.optimizer == NESTEROV) for run in runs]
        self._nesterov = self._column(nesterov) if any(nesterov) else None
        self._update: Tensor | None = None

    def update(self, step: int, w: Tensor, velocity: Tensor, gradient: Tensor) -> Tensor:
        """Advance `velocity`; w_{t+1} - w_t, all (n_members, row_length). Holds until the next call."""
        shared = self._shared
        if shared.weight_decay:
            gradient = gradient.add(w, alpha=shared.weight_decay)
        velocity.mul_(self._momentum).add_(gradient)
        if self._update is None:
            self._update = torch.empty_like(w)
        warmth = min(1.0, (step + 1) / shared.warmup_steps) if shared.warmup_steps else 1.0
        if self._nesterov is None:
            return torch.mul(velocity, -warmth * self._learning_rate, out=self._update)
        torch.mul(velocity, self._momentum, out=self._update).add_(gradient)
        ahead = torch.where(self._nesterov > 0, self._update, velocity)
        return torch.mul(ahead, -warmth * self._learning_rate, out=self._update)

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self._device)[:, None]
