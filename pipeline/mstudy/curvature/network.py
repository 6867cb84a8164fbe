"""What training and measuring ask of a network: the loss of K members side by side, and its derivatives.

A member's weights are one flat row of `w` (n_members, row_length): an optimizer step, a norm or an inner product is
then one line, whatever the architecture. The row is padded with zeros (see flat_rows.py), and every derivative is zero
there, so the padding never shows in a norm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

LOSS, GRADIENT, CURVATURE = 0, 1, 2  # the highest derivative that an evaluation must be able to give


@dataclass(frozen=True)
class Batch:
    """Samples on the device.

    x: inputs, (n_samples, *input_shape) where all members share them, else (n_members, n_samples, *input_shape).
    y: targets, laid out alike. shared: which of the two.
    """

    x: Tensor
    y: Tensor
    shared: bool

    @property
    def n_samples(self) -> int:
        """Samples that each member sees."""
        return self.x.shape[0 if self.shared else 1]

    def samples(self, part: slice) -> Batch:
        """Return some of the samples, of every member."""
        where: tuple[slice, ...] = (part,) if self.shared else (slice(None), part)
        return Batch(self.x[where], self.y[where], self.shared)

    def members(self, part: slice | Tensor) -> Batch:
        """Return the samples of some of the members."""
        return self if self.shared else Batch(self.x[part], self.y[part], False)


class Evaluation(Protocol):
    """The network at one point, asked for anything as often as need be.

    Tensors that it returns hold until the network's next evaluation.
    """

    @property
    def loss(self) -> Tensor:
        """Mean loss of the batch, (n_members,)."""

    def gradient(self) -> Tensor:
        """Return gradient of the loss, (n_members, row_length)."""

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Return d^T H d for d = `direction` (n_members, row_length), H the Hessian of the loss: (n_members,)
        float64.
        """

    def hessian_operator(self) -> Callable[[Tensor], Tensor]:
        """Return v -> H v on (n_members, row_length), each image a tensor of its own."""

    def loss_at(self, w: Tensor) -> Tensor:
        """Return the mean loss of the same batch at other weights, (n_members,), by a forward pass.

        It may take the place of this evaluation, which can then be asked for nothing else.
        """


class Network(Protocol):
    """An architecture with an objective."""

    engine: str  # how derivatives are found: "explicit" or "autograd"
    dtype: torch.dtype
    n_parameters: int
    row_length: int

    def initial_weights(self, seed: int) -> Tensor:
        """Return one member's weights, (row_length,)."""

    def evaluate(self, w: Tensor, batch: Batch, order: int) -> Evaluation:
        """Return the loss at `w` (n_members, row_length), ready for derivatives up to `order`."""

    def bytes_per_sample(self, batch: Batch) -> int:
        """Return memory of one member's second derivatives, a sample; `batch` is of the shared kind."""
