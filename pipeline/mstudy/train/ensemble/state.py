"""What an ensemble carries from step to step: with the rows it has logged, all that a checkpoint must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_ROWS = ("w", "eigenvectors", "critical_rates", "loss_limit", "diverged_at")


def no_rate(w: Tensor) -> Tensor:
    """Return critical rates of members of which none was found yet."""
    return w.new_full((len(w),), torch.nan, dtype=torch.float64)


@dataclass
class State:
    """The members still in training. Row i of every tensor belongs to run `members[i]`.

    step: updates made. w and each of buffers: (n_members, row_length). buffers: what update rules carry,
    by name. eigenvectors: where the next search for the sharpness starts, (n_members, 2 * row_length).
    critical_rates: (n_members,) float64, those last found, NaN at first. loss_limit: (n_members,), the batch loss above
    which a member counts as diverged. diverged_at: (n_members,), the step at which it did, else -1.
    """

    step: int
    members: list[int]
    w: Tensor
    buffers: dict[str, Tensor]
    eigenvectors: Tensor
    critical_rates: Tensor
    loss_limit: Tensor
    diverged_at: Tensor

    def select(self, places: list[int]) -> None:
        """Keep only the members at these places."""
        self.members = [self.members[i] for i in places]
        self.buffers = {name: buffer[places] for name, buffer in self.buffers.items()}
        for name in _ROWS:
            setattr(self, name, getattr(self, name)[places])

    def note_divergence(self, loss: Tensor, step: int | Tensor) -> None:
        """Note which members have diverged, in place; the CPU does not wait for the device."""
        fine = torch.isfinite(loss) & (loss <= self.loss_limit)
        self.diverged_at.copy_(torch.where(~fine & (self.diverged_at < 0), step, self.diverged_at))

    def copy(self) -> State:
        """Return a state that does not change with this one."""
        tensors = {name: tensor.clone() for name, tensor in self._tensors().items()}
        return State._of(self.step, list(self.members), tensors)

    def saved(self) -> dict[str, Any]:
        """Return plain values and tensors on the CPU, the buffers under their own names."""
        return {"step": self.step, "members": self.members} | {n: t.cpu() for n, t in self._tensors().items()}

    @classmethod
    def restored(cls, saved: dict[str, Any], device: torch.device) -> State:
        """Return the state of which `saved` was made, perhaps before there were critical rates."""
        saved = {"critical_rates": no_rate(saved["w"])} | saved
        tensors = {name: value.to(device) for name, value in saved.items() if name not in ("step", "members")}
        return cls._of(saved["step"], saved["members"], tensors)

    def follows(self, begun: State) -> bool:
        """Return whether training can come from the state at step 0 to this one: tensors of its kinds, some members."""
        kinds = {name: (tensor.dtype, tensor.shape[1:]) for name, tensor in self._tensors().items()}
        expected = {name: (tensor.dtype, tensor.shape[1:]) for name, tensor in begun._tensors().items()}
        counts = {len(tensor) for tensor in self._tensors().values()}
        known = [member for member in begun.members if member in self.members]
        return kinds == expected and counts == {len(self.members)} and self.members == known and self.step >= 0

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in _ROWS} | self.buffers

    @classmethod
    def _of(cls, step: int, members: list[int], tensors: dict[str, Tensor]) -> State:
        buffers = {name: tensor for name, tensor in tensors.items() if name not in _ROWS}
        return cls(step, members, buffers=buffers, **{name: tensors[name] for name in _ROWS})
