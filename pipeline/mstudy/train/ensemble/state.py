"""What an ensemble carries from step to step, and the rows it has logged: all that a checkpoint must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mstudy.train.ensemble.logged_rows import _ROWS


@dataclass
class State:
    """The members still in training. Row i of every tensor belongs to run `members[i]`.

    step: updates made. w, velocity, eigenvectors: (n_members, row_length). loss_limit: (n_members,), the batch loss
    above which a member counts as diverged. diverged_at: (n_members,), the step at which it did, else -1.
    """

    step: int
    members: list[int]
    w: Tensor
    velocity: Tensor
    eigenvectors: Tensor
    loss_limit: Tensor
    diverged_at: Tensor

    def keep(self, alive: list[int]) -> None:
        """Drop all members but those at these places."""
        self.members = [self.members[i] for i in alive]
        for name in _ROWS:
            setattr(self, name, getattr(self, name)[alive])

    def copy(self) -> State:
        """A state that does not change with this one."""
        return State(self.step, list(self.members), *(getattr(self, name).clone() for name in _ROWS))

    def saved(self) -> dict[str, Any]:
        """As plain values and tensors on the CPU."""
        return {"step": self.step, "members": self.members} | {n: getattr(self, n).cpu() for n in _ROWS}

    @classmethod
    def restored(cls, saved: dict[str, Any], device: torch.device) -> State:
        """The inverse of `saved`."""
        return cls(saved["step"], saved["members"], *(saved[name].to(device) for name in _ROWS))
