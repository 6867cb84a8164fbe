"""Which `step` moves the weights, and whether it is ever called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from mstudy.core.errors import TrainingError

_PATIENCE = 3  # training steps without a call


def hookable(optimizer: Any) -> Optimizer:
    """Return the optimizer that takes hooks: the given one, or one that it wraps, as Accelerate's does."""
    found = optimizer
    while not hasattr(found, "_optimizer_step_pre_hooks"):
        found = getattr(found, "optimizer", None)
        if found is None:
            raise TrainingError(f"optimizer must be one of torch.optim, found {type(optimizer).__name__}.")
    assert isinstance(found, Optimizer)
    return found


def was_skipped(optimizer: Any) -> bool:
    """Return whether the step under way does nothing: a gradient scaler told a fused optimizer of an overflow."""
    found = getattr(optimizer, "found_inf", None)
    return isinstance(found, torch.Tensor) and bool((found != 0).any())


class StepWatch:
    """Sees by the weights that training goes on though `step` is never called."""

    def __init__(self, trainable: Sequence[nn.Parameter]) -> None:
        self._trainable = trainable
        self._last = self._sums()
        self._changes = 0
        self.is_over = False  # step was called, or it was said that it is not

    def look(self) -> str | None:
        """Return a sentence if the weights changed for the third time since the last look; once."""
        if self.is_over:
            return None
        now = self._sums()
        self._changes += now != self._last
        self._last = now
        if self._changes < _PATIENCE:
            return None
        self.is_over = True
        return (
            f"optimizer.step must be called for each update, found {_PATIENCE} updates without a call; give the probe "
            "the optimizer whose step makes the update, as the one that yours wraps."
        )

    def _sums(self) -> list[float]:
        return [float(p.detach().abs().double().sum()) for p in self._trainable]
