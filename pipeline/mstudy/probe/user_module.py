"""A user's module and loss as an ensemble of one member, by autograd, so that `curvature` can measure it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mstudy.core.errors import TrainingError
from mstudy.curvature.chunks import ChunkedEvaluation
from mstudy.curvature.flat_rows import RowLayout
from mstudy.curvature.network import GRADIENT, LOSS, Evaluation
from mstudy.probe.checks.connections import Connections
from mstudy.probe.checks.means import check_mean
from mstudy.probe.user_batches import placed
from mstudy.probe.user_data import UserData
from mstudy.probe.user_evaluation import UserEvaluation
from mstudy.probe.without_trace.kept_state import KeptState
from mstudy.probe.without_trace.measured_calls import MeasuredCalls
from mstudy.probe.without_trace.quiet_parts import forward_hooks_of_all, quiet_parts
from mstudy.probe.without_trace.random_states import random_states_kept, reseed
from mstudy.probe.without_trace.swapped_tensors import SwappedTensors, as_real
from mstudy.probe.without_trace.torch_switches import exact_second_derivatives

Loss = Callable[[nn.Module, Any], Tensor]


class UserModule:
    """The mean loss as a function of the trainable parameters; evaluate it inside `measuring`.

    trainable: those of the module that are, by name. They may be of any floating or complex dtype; a complex number is
    two real ones. dtype: in which all is computed; None for float32, or float64 where a parameter is of it.
    """

    def __init__(
        self, module: nn.Module, loss: Loss, trainable: dict[str, nn.Parameter], dtype: torch.dtype | None = None
    ) -> None:
        self._module, self._loss = module, loss
        self.names, self.trainable = list(trainable), list(trainable.values())
        self._layout = RowLayout([as_real(p).shape for p in self.trainable])
        self.n_parameters = self._layout.n_parameters
        self.device = self.trainable[0].device
        is_double = any(p.dtype in (torch.float64, torch.complex128) for p in self.trainable)
        self.dtype = dtype or (torch.float64 if is_double else torch.float32)
        self.connections = Connections(self.names, self.trainable)
        self.by_tape = True
        self._swapped: SwappedTensors | None = None
        self._kept: KeptState | None = None

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Make the module a deterministic function of its weights in `dtype`; afterwards all is as it was.

        Dropout is off, and nothing else of the training mode: normalisations that keep running statistics use those of
        the batch if they are in training mode. Forward passes write to copies of the buffers.
        """
        self.connections.forget()
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings(action="ignore"))  # training has given them
            stack.enter_context(random_states_kept(self.device))
            self._kept = KeptState((self._module, self._loss, *forward_hooks_of_all()), apart=self._module.buffers())
            stack.callback(self._kept.restore)
            stack.enter_context(exact_second_derivatives(self.device))
            stack.enter_context(quiet_parts(self._module))
            self._swapped = stack.enter_context(SwappedTensors(self._module, self.dtype))
            yield

    def parameters(self, w: Tensor) -> list[Tensor]:
        """Return parts of the row `w` (1, row_length) in the shapes and strides of the parameters."""
        parts = self._layout.parts(w)
        return [
            part if p.is_contiguous() or p.is_complex() else torch.empty_like(p, dtype=w.dtype).copy_(part)
            for part, p in zip(parts, self.trainable, strict=True)
        ]

    def rows(self, parts: list[Tensor], n_members: int = 1) -> Tensor:
        """Return one row of the parts, (1, row_length)."""
        return self._layout.rows([as_real(part).to(self.dtype) for part in parts], n_members)

    def loss(self, parts: list[Tensor], batch: Any, n_members: int) -> Tensor:
        """Mean loss of the batch, (1,)."""
        loss = self._scalar(parts, batch, seed=0, plain_norms=False)
        if not torch.is_grad_enabled():
            return loss.detach()[None]
        if loss.requires_grad:
            self.connections.note(loss, parts)
        return loss[None]

    def plain_loss(self, w: Tensor, batch: Any, seed: int = 0) -> float:
        """Return the loss at the row `w` where samples do not see each other in a batch normalisation."""
        with torch.no_grad():
            return float(self._scalar(self.parameters(w), batch, seed, plain_norms=True))

    def evaluate(self, w: Tensor, data: UserData, order: int, chunk: int | None) -> Evaluation:
        """Return the mean loss over the data at the row `w` (1, row_length), at most `chunk` samples at a time."""
        if data.is_whole(chunk):
            return self._evaluation(w, next(iter(data)), order)
        if data.weight is None:
            check_mean(self, w, data, chunk)
        total = data.total(chunk)

        def parts(w: Tensor, order: int) -> Iterator[tuple[float, Evaluation]]:
            reseed(self.device, 0)  # a loader that shuffles does so alike each time
            for weight, piece in data.pieces(chunk):
                if weight > 0:  # the mean over nothing is no number
                    yield weight / total, self._evaluation(w, piece, order)

        return ChunkedEvaluation(parts, w, GRADIENT if order == GRADIENT else LOSS)

    def evaluate_batch(self, w: Tensor, data: UserData, batch: Any, order: int, chunk: int | None) -> Evaluation:
        """Return the same of one batch of the data."""
        return self.evaluate(w, data.of_one(batch), order, chunk)

    def _evaluation(self, w: Tensor, batch: Any, order: int) -> UserEvaluation:
        return UserEvaluation(self, w, batch, order)

    def _scalar(self, parts: list[Tensor], batch: Any, seed: int, plain_norms: bool) -> Tensor:
        assert self._swapped is not None and self._kept is not None, "evaluated outside `measuring`"
        for parameter, part in zip(self.trainable, parts, strict=True):
            self._swapped.put(parameter, torch.view_as_complex(part) if parameter.is_complex() else part)
        self._swapped.renew_buffers()
        self._kept.rewind()
        reseed(self.device, seed)
        batch = placed(batch, self.device, self.dtype)
        # The loss may take derivatives of its own; where nothing is trained here, nothing else is recorded.
        with torch.enable_grad(), MeasuredCalls(self._swapped.replaced, self.dtype, plain_norms):
            loss = self._loss(self._module, batch)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            raise TrainingError(
                f"loss(module, batch) must return the batch's mean loss, a scalar tensor, found {given}."
            )
        return loss if loss.ndim == 0 else loss.sum()
