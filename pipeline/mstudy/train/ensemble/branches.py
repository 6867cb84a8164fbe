"""Which rule each member of an ensemble follows when: that of a branch changes at its step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.update_rule import UPDATE_RULES, Updates


class Rules:
    """The update rule in force. It is built again when members leave or one branches."""

    def __init__(self, runs: Sequence[RunConfig], dtype: torch.dtype, device: torch.device) -> None:
        self._runs, self._dtype, self._device = list(runs), dtype, device
        self._branch_steps = [None if run.branching is None else run.branching.step for run in runs]
        self._changes = sorted({step for step in self._branch_steps if step is not None})
        self._in_force: tuple[list[int], int] | None = None
        self._updates: Updates | None = None

    @property
    def buffers(self) -> list[str]:
        """Return the names of the tensors that the members carry beside their weights, before and after branching."""
        optimizers = {run.rule_at(step).optimizer for run in self._runs for step in (0, *self._changes)}
        return sorted({name for optimizer in optimizers for name in UPDATE_RULES[optimizer].buffers})

    def since(self, step: int) -> int:
        """Return the step from which on the rule of `step` holds."""
        return max((change for change in self._changes if change <= step), default=0)

    def of(self, state: State) -> Updates:
        """Return the update of the members at their step."""
        wanted = (state.members, self.since(state.step))
        if self._updates is None or self._in_force != wanted:
            runs = [self._runs[member] for member in state.members]
            self._updates = Updates(runs, state.step, self._dtype, self._device)
            self._in_force = (list(state.members), wanted[1])
        return self._updates

    def start_branches(self, state: State) -> None:
        """Begin those that branch at this step: SGD has no buffers to hand on, so theirs begin at zero. In place."""
        if state.step in self._changes:
            places = [place for place, member in enumerate(state.members) if self._branch_steps[member] == state.step]
            for buffer in state.buffers.values():
                buffer[places] = 0.0
