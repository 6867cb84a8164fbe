"""The critical sharpness 2/eta_c, by forward passes alone: Kalra et al. 2026 (arXiv 2601.16979).

eta_c is the least learning rate at which the update, made from the same weights in the same direction, raises the loss.
On a quadratic 2/eta_c is v^T H v / (g^T v), the update being -eta v: for v = g the curvature along the gradient.

The search is for s = eta_c / eta, a multiple of the update. Doubling or halving finds one step that raises the loss and
one that does not; from the third step on it goes further, to where a parabola through the last two losses crosses. Then
the bracket is halved in log s. The value is where a parabola through the losses at the bracket's ends crosses: on a
quadratic it is exact, elsewhere it lies in the bracket. A bracket of a factor of 2 after two passes, as of a start
within that factor, ends at a factor of 2^(1/32): 2.2 %.

Every operation is one of a member alone and rounds alike on all processors: a member has the same number in any
company.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

N_PASSES = 7  # beside the loss at the weights, which each row has: eight in all
_LARGEST_FACTOR = 32.0  # between one step of the search and the next
_HALF_OCTAVE = 2**0.5
# A loss is off by a few units of its last place, and the loss changes by at least 0.24 |g^T v| eta_c at one of the
# ends of a bracket of a factor of 2: at 200 units rounding moves eta_c by less than 1 %.
_ROUNDING_UNITS = 200.0


@dataclass(frozen=True)
class LossRise:
    """Where the loss rises above that at the weights: (n_members,) float64 each, in multiples of the update.

    at: NaN where there is none. below, above: the largest step that does not raise the loss, and the least that does.
    """

    at: Tensor
    below: Tensor
    above: Tensor


def first_rise(loss: Tensor, loss_at: Callable[[Tensor], Tensor], first: Tensor) -> LossRise:
    """Find the rise from losses at N_PASSES steps.

    loss: at the weights, (n_members,). loss_at: steps (n_members,) float64 -> losses there. first: the steps to begin
    with. There is no rise where every step that is tried raises the loss, as along a direction that does not
    descend, where none does, and where rounding drowns the changes of the loss.
    """
    steps: list[Tensor] = []
    changes: list[Tensor] = []
    step = first
    for _ in range(N_PASSES):
        steps.append(step)
        changes.append(loss_at(step).double() - loss.double())
        step = _next_step(torch.stack(steps), torch.stack(changes))
    return _rise(torch.stack(steps), torch.stack(changes), torch.finfo(loss.dtype).eps * loss.double().abs())


def critical_sharpness(rise: LossRise, learning_rates: Tensor) -> tuple[Tensor, Tensor]:
    """Return 2/eta_c, and by how much it may be off: the length of its bracket. (n_members,) float64, or NaN."""
    length = 2 / (rise.below * learning_rates) - 2 / (rise.above * learning_rates)
    return 2 / (rise.at * learning_rates), torch.where(torch.isnan(rise.at), torch.nan, length)


def _next_step(steps: Tensor, changes: Tensor) -> Tensor:
    """Choose each member's next step; steps, changes of the loss there: (n_passes, n_members), the latest last."""
    below, above = _bracket(steps, changes)
    if len(steps) == 1:
        return torch.where(torch.isinf(above), 2 * below, above / 2)
    guess = _root(steps[-2:], changes[-2:])
    farther = torch.where(guess > below, guess * _HALF_OCTAVE, torch.inf)
    nearer = torch.where((guess > 0) & (guess < above), guess / _HALF_OCTAVE, 0.0)
    least = 2.0 ** (len(steps) - 1)  # where a guess fell short, the next one is not trusted to go less far
    up = farther.clamp(least * below, _LARGEST_FACTOR * below)
    down = nearer.clamp(above / _LARGEST_FACTOR, above / least)
    return torch.where(torch.isinf(above), up, torch.where(below == 0, down, _between(below, above, guess)))


def _between(below: Tensor, above: Tensor, guess: Tensor) -> Tensor:
    """Halve the bracket in its logarithm; of a wide one cut off what is more than half an octave from the guess."""
    middle = torch.sqrt(below * above)
    drawn = middle.clamp(guess / _HALF_OCTAVE, guess * _HALF_OCTAVE)
    return torch.where((guess > below) & (guess < above), drawn, middle)


def _bracket(steps: Tensor, changes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest step below the least one that raises the loss, or 0, and the latter, or infinity."""
    raises = ~(changes <= 0)  # so does a loss that is no number
    above = torch.where(raises, steps, torch.inf).amin(dim=0)
    return torch.where(steps < above, steps, 0.0).amax(dim=0), above


def _root(steps: Tensor, changes: Tensor) -> Tensor:
    """Return where the parabola through the origin and two points is zero again; steps, changes: (2, n_members)."""
    slopes = changes / steps
    return (steps[0] * slopes[1] - steps[1] * slopes[0]) / (slopes[1] - slopes[0])


def _rise(steps: Tensor, changes: Tensor, unit: Tensor) -> LossRise:
    """Return the rise that the steps show. unit: of rounding of the losses."""
    below, above = _bracket(steps, changes)
    ends = torch.stack([below, above])
    root = _root(ends, torch.stack([_change_at(end, steps, changes) for end in ends]))
    at = torch.where(torch.isfinite(root), root.clamp(below, above), torch.sqrt(below * above))
    near = torch.isfinite(changes) & (steps <= 2 * at)
    drowned = torch.where(near, changes.abs(), 0.0).amax(dim=0) < _ROUNDING_UNITS * unit
    found = (below > 0) & torch.isfinite(above) & ~drowned
    return LossRise(torch.where(found, at, torch.nan), below, above)


def _change_at(step: Tensor, steps: Tensor, changes: Tensor) -> Tensor:
    """Return the change at a step that was tried, minus infinity where it was not."""
    return torch.where(steps == step, changes, -torch.inf).amax(dim=0)
