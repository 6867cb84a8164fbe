"""Which rule each member of an ensemble follows when: that of a branch changes at its step, and perhaps back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mstudy.core.branching.treatments import Velocity
from mstudy.core.theory import stability_line
from mstudy.curvature.measure import Probe
from mstudy.train.branching import Branching
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.update_rule import SHARP_DIRECTIONS, UPDATE_RULES, Updates

_STARTS = tuple(f"{name}_start" for name in SHARP_DIRECTIONS)  # where the next search for each starts


class Rules:
    """The update rule in force. It is built again when members leave or one branches."""

    def __init__(self, runs: Sequence[RunConfig], dtype: torch.dtype, device: torch.device) -> None:
        self._runs, self._dtype, self._device = list(runs), dtype, device
        self._branchings = [run.branching for run in runs]
        branchings = [branching for branching in self._branchings if branching is not None]
        times = (time for branching in branchings for time in (branching.step, branching.end))
        self._changes = sorted({time for time in times if time is not None})
        self._projects = any(branching.projection is not None for branching in branchings)
        self._in_force: tuple[list[int], int] | None = None
        self._updates: Updates | None = None

    @property
    def buffers(self) -> list[str]:
        """Return the names of the tensors that the members carry beside their weights, before and after branching."""
        optimizers = {run.rule_at(step).optimizer for run in self._runs for step in (0, *self._changes)}
        names = {name for optimizer in optimizers for name in UPDATE_RULES[optimizer].buffers}
        return sorted(names) + [*SHARP_DIRECTIONS, *_STARTS] * self._projects

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
        """Begin those that branch at this step; the buffers of the rest, and of those that keep theirs, stay. In
        place.
        """
        if state.step in self._changes:
            places = [place for place, member in enumerate(state.members) if self._starts_anew(member, state.step)]
            for buffer in state.buffers.values():
                buffer[places] = 0.0

    def _starts_anew(self, member: int, step: int) -> bool:
        """Return whether a member branches at the step, with buffers of zeros: SGD has none to hand on."""
        branching = self._branchings[member]
        return branching is not None and branching.step == step and branching.velocity == Velocity.ZERO


class Projected:
    """Keeps the sharp directions of those members whose updates lose their part along them."""

    def __init__(self, runs: Sequence[RunConfig], probe: Probe) -> None:
        self._runs, self._probe = list(runs), probe
        self._searching = [run.branching for run in runs if run.branching is not None and run.branching.projection]

    def is_due(self, step: int) -> bool:
        """Return whether a member's sharp directions are searched for at a step."""
        return any(branching.searches(step) for branching in self._searching)

    def refresh(self, state: State, gradient: Tensor) -> None:
        """Search for the sharp directions of the members for which it is time. Changes the buffers of `state`."""
        if not self.is_due(state.step):
            return
        members = [(place, self._runs[member]) for place, member in enumerate(state.members)]
        due = [(place, run) for place, run in members if run.branching and run.branching.searches(state.step)]
        if not due:
            return
        places = [place for place, _ in due]
        bounds = [_bound(run, branching) for _, run in due if (branching := run.branching) is not None]
        bound = torch.tensor(bounds, dtype=torch.float64, device=gradient.device)
        starts = [state.buffers[name][places] for name in _STARTS]
        found, starts = self._probe.sharp_directions(state.w[places], gradient[places], starts, bound)
        for name, rows in zip((*SHARP_DIRECTIONS, *_STARTS), (*found, *starts), strict=True):
            state.buffers[name][places] = rows


def _bound(run: RunConfig, branching: Branching) -> float:
    """Return the eigenvalue from which on a direction is sharp: a share of the run's stability line."""
    rule, projection = branching.rule, branching.projection
    line = stability_line(rule.optimizer, rule.learning_rate, rule.momentum)
    assert line is not None and projection is not None, "only asked of a projection of an optimizer with a line"
    return line * projection.share_of_line
