"""Measures the training loss and its curvature at the weights of an ensemble."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.curvature.chunks import evaluate, in_groups
from mstudy.curvature.flat_rows import norms
from mstudy.curvature.lanczos import top_eigenpair
from mstudy.curvature.network import CURVATURE, LOSS, Batch, Evaluation, Network


@dataclass(frozen=True)
class Measurement:
    """Per member, (n_members,) float64; NaN where not measured.

    loss: mean loss of the probe's samples. directional_curvature: u^T H u / ||u||^2 along the update u, H the Hessian
    of that loss. sharpness: largest eigenvalue of H; sharpness_residual: ||H v - sharpness v||.
    """

    loss: Tensor
    directional_curvature: Tensor
    sharpness: Tensor
    sharpness_residual: Tensor


class Probe:
    """A fixed set of samples, of which `chunk` are seen at a time, by `members` networks at once.

    members: None for as many as keep members times samples within `chunk`.
    """

    def __init__(self, network: Network, batch: Batch, chunk: int, members: int | None = None) -> None:
        self._network, self.batch, self._chunk = network, batch, chunk
        self._members = members or max(1, chunk // min(batch.n_samples, chunk))

    def loss(self, w: Tensor) -> Tensor:
        """Mean loss of the samples, (n_members,) float64."""
        groups = in_groups(w, self._members)
        return torch.cat([evaluate(self._network, w[g], self.batch, LOSS, self._chunk).loss.double() for g in groups])

    def measure(
        self, w: Tensor, update: Tensor | None, eigenvectors: Tensor | None, gradient: Tensor, at: Evaluation | None
    ) -> Measurement:
        """Loss and curvature at `w` (n_members, row_length).

        update: the direction of the directional curvature, shaped as `w`; None leaves it out. eigenvectors: start of
        the search for the sharpness, overwritten by what it finds; None leaves it out. gradient: of the step, shaped
        as `w`; the search may turn to where it points. at: an evaluation of these samples at `w`, where the caller
        has one already, of order CURVATURE if any of that is asked for.
        """
        if at is not None:
            return measure_at(at, update, eigenvectors, gradient)
        order = LOSS if update is None and eigenvectors is None else CURVATURE
        parts = []
        for group in in_groups(w, self._members):
            at = evaluate(self._network, w[group], self.batch, order, self._chunk)
            parts.append(measure_at(at, _part(update, group), _part(eigenvectors, group), gradient[group]))
        return Measurement(*(torch.cat(column) for column in zip(*(vars(p).values() for p in parts), strict=True)))


def batch_sharpness(network: Network, w: Tensor, batches: Iterable[Batch], chunk: int) -> tuple[Tensor, Tensor]:
    """E_B[g_B^T H_B g_B / ||g_B||^2] over the batches drawn, and its standard error; (n_members,) float64 each.

    Ratio first, then mean: Andreyev & Beneventano 2024 (arXiv 2412.20553). A single batch, which only the full batch
    may be, has no sampling error: 0.
    """
    return sharpness_of_batches(evaluate(network, w, batch, CURVATURE, chunk) for batch in batches)


def sharpness_of_batches(evaluations: Iterable[Evaluation]) -> tuple[Tensor, Tensor]:
    """The same of one evaluation a batch, each used up before the next is asked for."""
    ratios = [at.curvature_along(_unit(at.gradient())) for at in evaluations]
    # Sums in order, element by element: a reduction's rounding may depend on how many members lie beside each other.
    n, zero = len(ratios), torch.zeros_like(ratios[0])
    mean = sum(ratios, zero) / n
    squares = sum(((ratio - mean).square() for ratio in ratios), zero)
    return mean, torch.sqrt(squares / (n * max(n - 1, 1)))


def measure_at(at: Evaluation, update: Tensor | None, eigenvectors: Tensor | None, gradient: Tensor) -> Measurement:
    """What `Probe.measure` says, of one evaluation."""
    loss = at.loss.double()
    curvature = value = residual = torch.full_like(loss, torch.nan)
    if eigenvectors is not None:  # first: the curvature along the update may use up what the evaluation recorded
        top = top_eigenpair(at.hessian_operator(), eigenvectors, gradient)
        value, residual = top.value, top.residual
        eigenvectors.copy_(torch.where(torch.isfinite(top.vector), top.vector, eigenvectors))
    if update is not None:
        curvature = at.curvature_along(_unit(update))
    return Measurement(loss, curvature, value, residual)


def _unit(direction: Tensor) -> Tensor:
    """Of length 1: the square of a small update would leave the range of float32."""
    return direction / norms(direction)[:, None].to(direction.dtype)


def _part(rows: Tensor | None, group: slice) -> Tensor | None:
    return None if rows is None else rows[group]
