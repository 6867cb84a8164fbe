"""How each optimizer updates the weights, one entry each, and the update of members that follow different ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mstudy.core.branching.treatments import MAX_DIRECTIONS, Rule
from mstudy.core.optimizers import HEAVY_BALL, NESTEROV, SGD
from mstudy.curvature.flat_rows import inner
from mstudy.train.configs import RunConfig

Buffers = dict[str, Tensor]


@dataclass(frozen=True)
class UpdateRule:
    """How an optimizer computes its direction; a step goes against it.

    buffers: names of the tensors that it carries from step to step; each is shaped like the weights and starts at zero.
    direction: (gradient, buffers, momentum) -> direction (n_members, row_length), for momentum (n_members, 1). It
    advances the buffers in place and asks nothing of the CPU.
    sgd_at_zero: whether momentum 0 makes it plain SGD. SGD beside it then needs no pass of its own.
    """

    buffers: tuple[str, ...]
    direction: Callable[[Tensor, Buffers, Tensor], Tensor]
    sgd_at_zero: bool = False


def _sgd(gradient: Tensor, buffers: Buffers, momentum: Tensor) -> Tensor:
    return gradient


def _heavy_ball(gradient: Tensor, buffers: Buffers, momentum: Tensor) -> Tensor:
    """Advance v <- mu v + g and return it."""
    return torch.addcmul(gradient, buffers["velocity"], momentum, out=buffers["velocity"])


def _nesterov(gradient: Tensor, buffers: Buffers, momentum: Tensor) -> Tensor:
    """Advance v <- mu v + g and return g + mu v."""
    return torch.addcmul(gradient, _heavy_ball(gradient, buffers, momentum), momentum)


# As torch.optim.SGD without dampening.
UPDATE_RULES = {
    SGD: UpdateRule((), _sgd),
    HEAVY_BALL: UpdateRule(("velocity",), _heavy_ball, sgd_at_zero=True),
    NESTEROV: UpdateRule(("velocity",), _nesterov, sgd_at_zero=True),
}


def _gathering(gradient: Tensor, buffers: Buffers, momentum: Tensor) -> Tensor:
    """Advance v <- mu v + g, and return g."""
    _heavy_ball(gradient, buffers, momentum)
    return gradient


# Plain SGD that will go on with momentum, and with the velocity that its gradients would have given it.
GATHERING = UpdateRule(("velocity",), _gathering)
SHARP_DIRECTIONS = tuple(f"sharp_direction_{k}" for k in range(MAX_DIRECTIONS))  # buffers: of length 1, or zero


class Updates:
    """The update of each member: w <- w - eta * direction, with an optimizer, learning rate and momentum of its own.

    Weight decay adds lambda w to the gradient; the learning rate rises linearly over the first `warmup_steps`.
    step: from which on the optimizers are meant, up to the next at which a member branches.
    """

    def __init__(self, runs: Sequence[RunConfig], step: int, dtype: torch.dtype, device: torch.device) -> None:
        self._shared, self._dtype, self._device = runs[0], dtype, device
        followed = [followed_at(run, step) for run in runs]
        self._learning_rate = self._column([each.learning_rate for each in followed])
        self._momentum = self._column([each.momentum for each in followed])
        rules = _rules_of([each.optimizer for each in followed])
        rules = [GATHERING if gathers(run, step) else rule for run, rule in zip(runs, rules, strict=True)]
        self._parts = [(rule, self._column([rule is own for own in rules]) > 0) for rule in dict.fromkeys(rules)]
        self._rate = self._learning_rate
        self._is_projected = self._column([projects(run, step) for run in runs]) > 0
        self._projects = any(projects(run, step) for run in runs)

    def direction(self, step: int, w: Tensor, gradient: Tensor, buffers: Buffers) -> Tensor:
        """Advance the buffers; return the direction that the step goes against, (n_members, row_length)."""
        shared = self._shared
        if shared.weight_decay:
            gradient = gradient.add(w, alpha=shared.weight_decay)
        self._rate = self._learning_rate
        if step < shared.warmup_steps:
            self._rate = self._learning_rate * ((step + 1) / shared.warmup_steps)
        if len(self._parts) == 1:
            direction = self._parts[0][0].direction(gradient, buffers, self._momentum)
        else:
            direction = self._direction_of_parts(gradient, buffers)
        return self._without_sharp_part(direction, buffers) if self._projects else direction

    def update(self, direction: Tensor) -> Tensor:
        """Return w_{t+1} - w_t as a tensor of its own; only a measurement needs it."""
        return direction * -self._rate

    @property
    def learning_rates(self) -> Tensor:
        """Those of the latest direction, (n_members,) float64."""
        return self._rate[:, 0].double()

    def move(self, w: Tensor, direction: Tensor) -> None:
        """Advance the weights, in one pass: in small networks the passes over them cost as much as the products."""
        w.addcmul_(direction, -self._rate)

    def _direction_of_parts(self, gradient: Tensor, buffers: Buffers) -> Tensor:
        """Follow each rule for all members; keep its direction for those that have the rule.

        So nothing is gathered or scattered.
        """
        direction = gradient
        for rule, mine in self._parts:
            own = {name: buffers[name].clone() for name in rule.buffers}
            direction = torch.where(mine, rule.direction(gradient, own, self._momentum), direction)
            for name, buffer in own.items():
                buffers[name].copy_(torch.where(mine, buffer, buffers[name]))
        return direction

    def _without_sharp_part(self, direction: Tensor, buffers: Buffers) -> Tensor:
        """Return the direction of each member that is projected without its part along the sharp directions."""
        kept = direction
        for sharp in (buffers[name] for name in SHARP_DIRECTIONS):
            kept = kept - sharp * inner(sharp, kept)[:, None].to(kept.dtype)
        return torch.where(self._is_projected, kept, direction)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self._device)[:, None]


def followed_at(run: RunConfig, step: int) -> Rule:
    """Return what is in force at a step; with the momentum that is to come where its velocity is being gathered."""
    rule, branching = run.rule_at(step), run.branching
    if branching is not None and branching.gathers(step):
        return replace(rule, momentum=branching.rule.momentum)
    return rule


def gathers(run: RunConfig, step: int) -> bool:
    """Return whether the run gathers a velocity at a step that no update uses yet."""
    return run.branching is not None and run.branching.gathers(step)


def projects(run: RunConfig, step: int) -> bool:
    """Return whether updates of the run lose their part along the sharp directions at a step."""
    return run.branching is not None and run.branching.projection is not None and run.branching.treats(step)


def _rules_of(optimizers: Sequence[str]) -> list[UpdateRule]:
    """Return the rule of each member; SGD takes that of another which is the same at momentum 0, where there is one."""
    rules = [UPDATE_RULES[name] for name in optimizers]
    of_sgd = next((rule for rule in rules if rule.sgd_at_zero), UPDATE_RULES[SGD])
    return [of_sgd if name == SGD else rule for name, rule in zip(optimizers, rules, strict=True)]
