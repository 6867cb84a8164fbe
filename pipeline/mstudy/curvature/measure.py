"""How each quantity is computed at the weights of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mstudy.core.quantities import (
    BATCH_SHARPNESS,
    CRITICAL_SHARPNESS,
    DIRECTIONAL_CURVATURE,
    EDGE_RATIO,
    OWN_BATCH,
    SHARPNESS,
    Quantity,
)
from mstudy.core.quantities import LOSS as TRAINING_LOSS
from mstudy.curvature.chunks import evaluate, in_groups
from mstudy.curvature.critical_sharpness import critical_sharpness, first_rise
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.flat_rows import chance_rows, inner, norms
from mstudy.curvature.network import CURVATURE, LOSS, Batch, Evaluation, Network
from mstudy.curvature.sharp_directions import sharp_directions

Columns = tuple[Tensor, ...]  # the columns of a quantity, (n_members,) float64 each; NaN: it has no value there
_EPS = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Moment:
    """The members at a step, before its update: rows (n_members, row_length).

    gradient, update: of the step. moves: (n_members,), whether the update survives its addition to the weights.
    eigenvectors: where the search for the sharpness starts, (n_members, 2 * row_length), the two leading ones side by
    side, zeros at first; it overwrites them by those that it finds. chance: a random direction for that search.
    learning_rates: of the step, (n_members,) float64; the update is proportional to it. critical_rates: likewise where
    the search for the critical sharpness starts, NaN at first for the update itself; it overwrites them too.
    """

    w: Tensor
    gradient: Tensor
    update: Tensor
    moves: Tensor
    eigenvectors: Tensor
    chance: Tensor
    learning_rates: Tensor
    critical_rates: Tensor

    def of(self, group: slice) -> Moment:
        """Return some of the members; their rows are views."""
        return Moment(*(rows[group] for rows in vars(self).values()))


@dataclass(frozen=True)
class StepBatches:
    """The step's own mini-batch, and others.

    loss: of its own, (n_members,). loss_at: w -> the loss of its own at other weights, (n_members,). drawn: evaluations
    of others, drawn as training draws them; each is used up before the next is asked for.
    """

    loss: Tensor
    loss_at: Callable[[Tensor], Tensor]
    drawn: Callable[[], Iterable[Evaluation]]


@dataclass(frozen=True)
class OfTrainingSet:
    """A quantity of the training loss. order: the highest derivative of that loss that it needs."""

    order: int
    compute: Callable[[Moment, Evaluation], Columns]


@dataclass(frozen=True)
class OfMiniBatches:
    """A quantity of mini-batches."""

    compute: Callable[[Moment, StepBatches], Columns]


def _training_loss(moment: Moment, at: Evaluation) -> Columns:
    return (at.loss.double(),)


def _sharpness(moment: Moment, at: Evaluation) -> Columns:
    """Compute the largest eigenvalue of H, and ||H v - sharpness v||."""
    first, second = moment.eigenvectors.chunk(2, dim=1)
    top = top_eigenpair(at.hessian_operator(), first, moment.gradient, moment.chance, second)
    for kept, found in ((first, top.vector), (second, top.second)):
        kept.copy_(torch.where(torch.isfinite(found), found, kept))
    return top.value, top.residual


def _directional_curvature(moment: Moment, at: Evaluation) -> Columns:
    """Compute u^T H u / ||u||^2 along the update u, H the Hessian of the training loss."""
    return (torch.where(moment.moves, at.curvature_along(unit(moment.update)), torch.nan),)


def _critical_sharpness(moment: Moment, at: Evaluation) -> Columns:
    """Compute 2/eta_c, eta_c the least learning rate at which the update would raise the training loss, and its error.

    The update is the one that the step makes, momentum and weight decay included; the loss is that of H. NaN where no
    step along it is known to be the first that raises the loss: see `first_rise`.
    """
    rates, starts = moment.learning_rates, moment.critical_rates
    first = torch.where(starts > 0, starts / rates, 1.0)

    def loss_at(steps: Tensor) -> Tensor:
        return at.loss_at(moment.w + moment.update * steps[:, None].to(moment.w.dtype))

    found = first_rise(at.loss.clone(), loss_at, first)
    found = replace(found, at=torch.where(moment.moves, found.at, torch.nan))
    starts.copy_(torch.where(torch.isnan(found.at), starts, found.at * rates))
    return critical_sharpness(found, rates)


def _own_batch(moment: Moment, batches: StepBatches) -> Columns:
    return batches.loss.double(), norms(moment.gradient), norms(moment.update)


def _batch_sharpness(moment: Moment, batches: StepBatches) -> Columns:
    return sharpness_of_batches(batches.drawn())


def _edge_ratio(moment: Moment, batches: StepBatches) -> Columns:
    slope = inner(moment.gradient, moment.update)
    after = batches.loss_at(moment.w + moment.update).double()
    return (torch.where(moment.moves, edge_ratio(batches.loss.double(), after, slope), torch.nan),)


# In the order of their computation. The sharpness comes before the curvature along the update, which may use up what
# an evaluation has recorded: it would then be recorded anew. The critical sharpness comes last: it goes elsewhere.
MEASURES: dict[Quantity, OfTrainingSet | OfMiniBatches] = {
    TRAINING_LOSS: OfTrainingSet(LOSS, _training_loss),
    SHARPNESS: OfTrainingSet(CURVATURE, _sharpness),
    DIRECTIONAL_CURVATURE: OfTrainingSet(CURVATURE, _directional_curvature),
    CRITICAL_SHARPNESS: OfTrainingSet(LOSS, _critical_sharpness),
    OWN_BATCH: OfMiniBatches(_own_batch),
    BATCH_SHARPNESS: OfMiniBatches(_batch_sharpness),
    EDGE_RATIO: OfMiniBatches(_edge_ratio),
}


def order_of(quantities: Iterable[Quantity]) -> int:
    """Return the highest derivative of the training loss that these quantities need."""
    measures = (MEASURES[quantity] for quantity in quantities)
    return max((measure.order for measure in measures if isinstance(measure, OfTrainingSet)), default=LOSS)


def measure_at(moment: Moment, at: Evaluation, quantities: Iterable[Quantity]) -> dict[str, Tensor]:
    """Compute those of the quantities asked for that are of the training loss: column -> (n_members,) float64.

    at: the training loss at the weights, ready for the derivatives that the quantities need.
    """
    quantities = set(quantities)
    values: dict[str, Tensor] = {}
    for quantity, measure in MEASURES.items():
        if quantity in quantities and isinstance(measure, OfTrainingSet):
            values |= zip(quantity.columns, measure.compute(moment, at), strict=True)
    return values


def measure_batches(moment: Moment, batches: StepBatches, quantities: Iterable[Quantity]) -> dict[str, Tensor]:
    """Compute those of the quantities asked for that are of mini-batches: column -> (n_members,) float64."""
    quantities = set(quantities)
    values: dict[str, Tensor] = {}
    for quantity, measure in MEASURES.items():
        if quantity in quantities and isinstance(measure, OfMiniBatches):
            values |= zip(quantity.columns, measure.compute(moment, batches), strict=True)
    return values


class Probe:
    """A fixed set of samples, of which `chunk` are seen at a time, by `members` networks at once.

    members: None for as many as keep members times samples within `chunk`.
    """

    def __init__(self, network: Network, batch: Batch, chunk: int, members: int | None = None) -> None:
        self._network, self.batch, self._chunk = network, batch, chunk
        self._members = members or max(1, chunk // min(batch.n_samples, chunk))

    def measure(
        self, moment: Moment, quantities: Iterable[Quantity], at: Evaluation | None = None
    ) -> dict[str, Tensor]:
        """Compute what `measure_at` does, of the mean loss of the samples.

        at: an evaluation of these samples at `here.w` that the caller has already, of a high enough order.
        """
        quantities = list(quantities)
        if not quantities:
            return {}
        if at is not None:
            return measure_at(moment, at, quantities)
        parts = [self._measure_group(moment.of(group), quantities) for group in in_groups(moment.w, self._members)]
        return {column: torch.cat([part[column] for part in parts]) for column in parts[0]}

    def sharp_directions(
        self, w: Tensor, beside: Tensor, starts: Sequence[Tensor], bound: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return what `sharp_directions` does for the mean loss of the samples, at the weights of some members."""
        parts = []
        for group in in_groups(w, self._members):
            product = evaluate(self._network, w[group], self.batch, CURVATURE, self._chunk).hessian_operator()
            chance = chance_rows(self._network.n_parameters, w[group])
            of_group = [start[group] for start in starts]
            parts.append(sharp_directions(product, of_group, beside[group], chance, bound[group]))
        found, nexts = ([torch.cat(rows) for rows in zip(*(part[k] for part in parts), strict=True)] for k in (0, 1))
        return found, nexts

    def _measure_group(self, moment: Moment, quantities: list[Quantity]) -> dict[str, Tensor]:
        at = evaluate(self._network, moment.w, self.batch, order_of(quantities), self._chunk)
        return measure_at(moment, at, quantities)


def sharpness_of_batches(evaluations: Iterable[Evaluation]) -> tuple[Tensor, Tensor]:
    """Compute E_B[g_B^T H_B g_B / ||g_B||^2] and its standard error, of one evaluation a mini-batch B.

    Ratio first, then mean: Andreyev & Beneventano 2024 (arXiv 2412.20553). A single batch, which only the full batch
    may be, has no sampling error: 0. Each evaluation is used up before the next is asked for.
    """
    ratios = [at.curvature_along(unit(at.gradient())) for at in evaluations]
    # Sums in order, element by element: a reduction's rounding may depend on how many members lie beside each other.
    n, zero = len(ratios), torch.zeros_like(ratios[0])
    mean = sum(ratios, zero) / n
    squares = sum(((ratio - mean).square() for ratio in ratios), zero)
    return mean, torch.sqrt(squares / (n * max(n - 1, 1)))


def edge_ratio(loss: Tensor, after: Tensor, slope: Tensor) -> Tensor:
    """Compute zeta = 1 + (L(w + u) - L(w)) / (-g^T u), from two losses on one batch; (n_members,).

    The realised edge of stability of Lee & Lee 2026 ("The Road Taken"): on a quadratic, -u^T H u / (2 g^T u), which
    for gradient descent is eta/2 times the directional curvature. NaN where the losses' rounding would drown it.
    """
    drowned = slope.abs() < 200 * _EPS * loss
    return torch.where(drowned, torch.nan, 1 + (after - loss) / -slope)


def unit(direction: Tensor) -> Tensor:
    """Return rows of length 1 along `direction`: the square of a small update would leave the range of float32."""
    return direction / norms(direction)[:, None].to(direction.dtype)
