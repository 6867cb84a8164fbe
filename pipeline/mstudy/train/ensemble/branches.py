"""Which rule each member of an ensemble follows when: that of a branch changes at its step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.update_rule import Sgd


class Rules:
    """The rule in force, put together anew when members leave or one branches."""

    def __init__(self, runs: Sequence[RunConfig], dtype: torch.dtype, device: torch.device) -> None:
        self._runs, self._dtype, self._device = list(runs), dtype, device
        self._branch_steps = [None if run.branching is None else run.branching.step for run in runs]
        self._changes = sorted({step for step in self._branch_steps if step is not None})
        self._in_force: tuple[list[int], int] | None = None
        self._rule: Sgd | None = None

    def since(self, step: int) -> int:
        """The step from which on the rule of `step` holds."""
        return max((change for change in self._changes if change <= step), default=0)

    def of(self, state: State) -> Sgd:
        """The rule of the members at their step."""
        wanted = (state.members, self.since(state.step))
        if self._rule is None or self._in_force != wanted:
            runs = [self._runs[member] for member in state.members]
            self._rule = Sgd(runs, state.step, self._dtype, self._device)
            self._in_force = (list(state.members), wanted[1])
        return self._rule

    def start_branches(self, state: State) -> None:
        """Those that branch at this step: SGD has no velocity to hand on, so theirs begins at zero. In place."""
        if state.step in self._changes:
            here = [place for place, member in enumerate(state.members) if self._branch_steps[member] == state.step]
            state.velocity[here] = 0.0
