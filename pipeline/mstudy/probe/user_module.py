"""A user's module and loss as an ensemble of one member, by autograd, so that `curvature` can measure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mstudy.core.errors import TrainingError
from mstudy.curvature.chunks import ChunkedEvaluation
from mstudy.curvature.flat_rows import RowLayout
from mstudy.curvature.module_network import ModuleEvaluation
from mstudy.curvature.network import Evaluation
from mstudy.probe.measuring_mode import reseed
from mstudy.probe.user_batches import in_pieces, n_samples, placed
from mstudy.probe.user_data import UserData

Loss = Callable[[nn.Module, Any], Tensor]


class UserModule:
    """The mean loss as a function of the trainable parameters; evaluate it inside `measuring_mode`.

    parameters: those of the module that are trainable. They may be of any floating dtype; all is computed in float32,
    or in float64 where one of them is of float64.
    """

    def __init__(self, module: nn.Module, loss: Loss, trainable: list[nn.Parameter]) -> None:
        self._module, self._loss, self.trainable = module, loss, trainable
        self._layout = RowLayout([p.shape for p in trainable])
        self.device = trainable[0].device
        self.dtype = torch.float64 if any(p.dtype == torch.float64 for p in trainable) else torch.float32
        place = {id(parameter): index for index, parameter in enumerate(trainable)}
        self._places = [
            (part._parameters, name, place[id(parameter)])
            for part in module.modules()
            for name, parameter in part._parameters.items()
            if id(parameter) in place
        ]

    def parameters(self, w: Tensor) -> list[Tensor]:
        """Return views of the row `w` (1, row_length) in the shapes of the parameters."""
        return self._layout.parts(w)

    def rows(self, parts: list[Tensor], n_members: int = 1) -> Tensor:
        """Return one row of the parts, (1, row_length)."""
        return self._layout.rows([part.to(self.dtype) for part in parts], n_members)

    def loss(self, parts: list[Tensor], batch: Any, n_members: int) -> Tensor:
        """Mean loss of the batch, (1,). The parts stay in their places: a backward pass may compute forward again."""
        for holder, name, index in self._places:
            holder[name] = parts[index]  # type: ignore[assignment]
        reseed(self.device, 0)
        loss = self._loss(self._module, placed(batch, self.device, self.dtype))
        if not isinstance(loss, Tensor) or loss.ndim > 0:
            given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            raise TrainingError(
                f"loss(module, batch) must return the batch's mean loss, a scalar tensor, found {given}."
            )
        return loss[None]

    def evaluate(self, w: Tensor, data: UserData, order: int, chunk: int | None) -> Evaluation:
        """Return the mean loss over the data at the row `w` (1, row_length), at most `chunk` samples at a time."""
        if data.one_batch and (chunk is None or data.n_samples <= chunk):
            return self.evaluate_batch(w, next(iter(data)), order, None)
        total = data.n_samples

        def parts(order: int) -> Iterator[tuple[float, Evaluation]]:
            reseed(self.device, 0)  # a loader that shuffles does so alike each time
            for batch in data:
                for piece in in_pieces(batch, chunk):
                    yield n_samples(piece) / total, ModuleEvaluation(self, w, piece, order)

        return ChunkedEvaluation(parts)

    def evaluate_batch(self, w: Tensor, batch: Any, order: int, chunk: int | None) -> Evaluation:
        """Return the same of one batch."""
        if chunk is None or n_samples(batch) <= chunk:
            return ModuleEvaluation(self, w, batch, order)
        return self.evaluate(w, UserData(batch), order, chunk)
