"""A batch too large to hold at once, evaluated in chunks of samples: the memory stays flat.

The loss and every derivative are means over samples, hence weighted means over chunks. A network with batch
normalisation is the exception: each chunk is normalised by its own statistics (as by "ghost batches"), so its loss is
the mean of the chunks' losses by definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from mstudy.curvature.network import CURVATURE, GRADIENT, LOSS, Batch, Evaluation, Network

# Passes over the parts of a batch at the weights: (share of its samples, evaluation of the given order), one part after
# another.
Parts = Callable[[Tensor, int], Iterator[tuple[float, Evaluation]]]


def evaluate(network: Network, w: Tensor, batch: Batch, order: int, chunk: int) -> Evaluation:
    """Return the network on the batch, at most `chunk` samples at a time."""
    if batch.n_samples <= chunk:
        return network.evaluate(w, batch, order)

    def parts(w: Tensor, order: int) -> Iterator[tuple[float, Evaluation]]:
        for start in range(0, batch.n_samples, chunk):
            part = batch.samples(slice(start, start + chunk))
            yield part.n_samples / batch.n_samples, network.evaluate(w, part, order)

    return ChunkedEvaluation(parts, w)


class ChunkedEvaluation:
    """Passes over the chunks, one for each quantity asked for; the loss comes free with any of them.

    loss_order: of the pass that is for the loss alone.
    """

    def __init__(self, parts: Parts, w: Tensor, loss_order: int = LOSS) -> None:
        self._parts, self._w, self._loss_order = parts, w, loss_order
        self._loss: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """Mean loss of the batch, (n_members,)."""
        if self._loss is None:
            self._mean(self._loss_order, lambda at: at.loss)
        assert self._loss is not None
        return self._loss

    def gradient(self) -> Tensor:
        """Return gradient of the loss, (n_members, row_length)."""
        return self._mean(GRADIENT, lambda at: at.gradient())

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Return d^T H d, (n_members,) float64."""
        return self._mean(CURVATURE, lambda at: at.curvature_along(direction))

    def hessian_operator(self) -> Callable[[Tensor], Tensor]:
        """Return v -> H v. Each product evaluates all chunks again."""
        return lambda v: self._mean(CURVATURE, lambda at: at.hessian_operator()(v))

    def loss_at(self, w: Tensor) -> Tensor:
        """Return the mean loss of the same batch at other weights, (n_members,)."""
        return ChunkedEvaluation(self._parts, w).loss

    def _mean(self, order: int, quantity: Callable[[Evaluation], Tensor]) -> Tensor:
        total = loss = None
        for share, at in self._parts(self._w, order):
            part = quantity(at) * share
            total = part if total is None else total.add_(part)
            loss = at.loss * share if loss is None else loss.add_(at.loss, alpha=share)
        assert total is not None, "a batch has at least one sample"
        self._loss = loss
        return total


def in_groups(rows: Tensor, size: int) -> Iterator[slice]:
    """Yield the members, `size` at a time."""
    return (slice(start, start + size) for start in range(0, len(rows), size))
