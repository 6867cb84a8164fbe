"""Any torch.nn.Module as an ensemble: derivatives by autograd, members stacked by torch.func.vmap.

One member alone is a plain call of the module, without vmap: on a CPU that is the faster way for convolutions and wide
layers, so the search for the width may end at one (train/sweep/width.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.func import vmap

from mstudy.curvature.flat_rows import RowLayout, inner
from mstudy.curvature.network import CURVATURE, GRADIENT, LOSS, Batch
from mstudy.curvature.objectives import Objective
from mstudy.curvature.tangents.tape import Tape

BatchT = TypeVar("BatchT", contravariant=True)


class ModuleNetwork:
    """K members of one architecture.

    build: makes a fresh module from torch's global random state. The module's output is (n_samples, ..., n_outputs);
    it must be a function of its weights and inputs alone (no dropout, no running statistics).
    """

    engine = "autograd"

    def __init__(
        self,
        build: Callable[[], nn.Module],
        objective: Objective,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self._build = build
        self.objective, self.dtype = objective, dtype
        self._module = self._fresh(0).to(device)
        self._places = _places(self._module)
        self._layout = RowLayout([p.shape for p in self._module.parameters()])
        self.n_parameters, self.row_length = self._layout.n_parameters, self._layout.row_length

    def initial_weights(self, seed: int) -> Tensor:
        """Return one member's weights, (row_length,): PyTorch's default initialisation of each layer."""
        row = torch.zeros(self.row_length, dtype=self.dtype)
        torch.cat([p.detach().flatten() for p in self._fresh(seed).parameters()], out=row[: self.n_parameters])
        return row

    def evaluate(self, w: Tensor, batch: Batch, order: int) -> ModuleEvaluation:
        """Forward pass at `w`, recorded for derivatives unless `order` is LOSS."""
        return ModuleEvaluation(self, w, batch, order)

    def bytes_per_sample(self, batch: Batch) -> int:
        """Return memory of one member's second derivatives, a sample: thrice what a forward pass records."""
        recorded = 0

        def count(t: Tensor) -> Tensor:
            nonlocal recorded
            recorded += t.numel() * t.element_size()
            return t

        w = self.initial_weights(0)[None].to(batch.x.device)
        few = batch.samples(slice(0, 2))  # two: batch normalisation has no use for one
        with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            self.evaluate(w, few, GRADIENT)
        return 3 * max(recorded - self.n_parameters * w.element_size(), 0) // few.n_samples

    def parameters(self, w: Tensor) -> list[Tensor]:
        """Return views of the flat weights, shaped as the module's parameters; members in front unless there is one."""
        return self._layout.parts(w)

    def rows(self, parts: list[Tensor], n_members: int) -> Tensor:
        """Return the inverse of `parameters`, as new padded rows."""
        return self._layout.rows(parts, n_members)

    def loss(self, parts: list[Tensor], batch: Batch, n_members: int) -> Tensor:
        """Mean loss of the batch, (n_members,), differentiable in the parts."""
        return self.objective.loss(*_as_samples(self.outputs(parts, batch, n_members), batch))

    def outputs(self, parts: list[Tensor], batch: Batch, n_members: int) -> Tensor:
        """Return the module's outputs, (n_members, n_samples, ..., n_outputs)."""
        if n_members == 1:
            return self._call(parts, batch.x if batch.shared else batch.x[0])[None]
        call = vmap(self._call, in_dims=(0, None if batch.shared else 0))
        return call(parts, batch.x)

    def _call(self, parts: list[Tensor], x: Tensor) -> Tensor:
        for holder, name, index in self._places:
            holder[name] = parts[index]
        outputs: Tensor = self._module(x)
        return outputs

    def _fresh(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._build().to(self.dtype)


def _places(module: nn.Module) -> list[tuple[dict[str, Any], str, int]]:
    """Return where the module looks for its parameters: (dictionary, key there, place among `module.parameters()`).

    To put weights there is what torch.func.functional_call does, without the search by name that it makes each time.
    """
    place = {parameter: index for index, parameter in enumerate(module.parameters())}
    return [
        (part._parameters, name, place[parameter])
        for part in module.modules()
        for name, parameter in part._parameters.items()
        if parameter is not None
    ]


class Differentiable(Protocol[BatchT]):
    """A loss that autograd can differentiate in the parts of each member's row, shaped as the parameters."""

    def parameters(self, w: Tensor) -> list[Tensor]:
        """Return views of the rows `w` (n_members, row_length) as parts."""

    def rows(self, parts: list[Tensor], n_members: int) -> Tensor:
        """Return the inverse of `parameters`."""

    def loss(self, parts: list[Tensor], batch: BatchT, n_members: int) -> Tensor:
        """Mean loss of the batch, (n_members,)."""


class ModuleEvaluation:
    """One recorded forward pass."""

    uses_tape = True

    def __init__(self, network: Differentiable[BatchT], w: Tensor, batch: BatchT, order: int) -> None:
        self._network, self._n_members = network, len(w)
        self._anew = partial(type(self), network, w, batch, order)
        self._elsewhere = partial(type(self), network, batch=batch, order=LOSS)
        self._used_up = False
        self._leaves = [part.detach().requires_grad_(order > LOSS) for part in network.parameters(w)]
        # With stacked members the operations are those of vmap, which a tape does not see.
        tape = Tape() if self.uses_tape and order == CURVATURE and len(w) == 1 else None
        with torch.set_grad_enabled(order > LOSS), tape or nullcontext():
            self._loss = network.loss(self._leaves, batch, len(w))
        self._tape = tape if tape is not None and tape.understood(self._leaves, self._loss) else None
        self._curved_outputs = [] if self._tape is None else [call.out for call in self._tape.curved()]
        self._keep = order == CURVATURE
        self._first: list[Tensor] | None = None
        self._differentiable = False

    @property
    def loss(self) -> Tensor:
        """Mean loss of the batch, (n_members,)."""
        return self._loss.detach()

    def gradient(self) -> Tensor:
        """Return gradient of the loss, (n_members, row_length)."""
        first = self._first_derivatives(differentiable=self._keep and self._tape is None)
        return self._network.rows(first[: len(self._leaves)], self._n_members)

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Compute it by a pass of tangents, about one gradient more; else by double backward, some two to three."""
        if self._used_up:
            return self._anew().curvature_along(direction)
        if self._tape is None:
            self._used_up = True  # what the second backward pass frees would else be held until the next evaluation
            return inner(self._product(direction, keep=False), direction)
        along = self._network.parameters(direction)
        return self._tape.second_derivative(self._leaves, along, self._cotangents()).reshape(1)

    def hessian_operator(self) -> Callable[[Tensor], Tensor]:
        """Return v -> H v by double backward of the recorded gradient."""
        at = self._anew() if self._used_up else self
        return lambda v: at._product(v, keep=True)

    def _cotangents(self) -> list[Tensor]:
        """Return what the tape asks for: half of a backward pass, where the gradient itself is not known."""
        if self._first is not None:
            return self._first[len(self._leaves) :]
        if not self._curved_outputs:
            return []
        return self._plain_gradients(self._curved_outputs)

    def loss_at(self, w: Tensor) -> Tensor:
        """Return the loss of the same batch at other weights; nothing is recorded."""
        return self._elsewhere(w).loss

    def _first_derivatives(self, differentiable: bool) -> list[Tensor]:
        """Compute those by the leaves, then by what the tape asks for; differentiable ones serve for both."""
        if self._first is None or (differentiable and not self._differentiable):
            # The members' losses do not touch each other's weights: the sum has each one's own gradient.
            self._first, self._differentiable = self._gradients(differentiable), differentiable
        return self._first

    def _gradients(self, differentiable: bool) -> list[Tensor]:
        return self._plain_gradients([*self._leaves, *self._curved_outputs], differentiable)

    def _plain_gradients(self, inputs: list[Tensor], differentiable: bool = False) -> list[Tensor]:
        gradients = torch.autograd.grad(
            self._loss,
            inputs,
            torch.ones_like(self._loss),
            retain_graph=self._keep,
            create_graph=differentiable,
            materialize_grads=True,
        )
        return list(gradients)

    def _product(self, v: Tensor, keep: bool) -> Tensor:
        first = self._first_derivatives(differentiable=True)[: len(self._leaves)]
        terms = [
            (g * d).sum()
            for g, d in zip(first, self._network.parameters(v), strict=True)
            if g.requires_grad  # the gradient of an affine part has no derivative of its own
        ]
        if not terms:
            return torch.zeros_like(v)
        along = torch.stack(terms).sum()
        second = torch.autograd.grad(along, self._leaves, retain_graph=keep, materialize_grads=True)
        return self._network.rows(list(second), self._n_members)


def _as_samples(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Shape outputs and targets as (n_members, n_samples, n_outputs): symbols are samples too."""
    n_members, n_outputs = outputs.shape[0], outputs.shape[-1]
    y = batch.y
    if not y.is_floating_point():
        y = torch.eye(n_outputs, dtype=outputs.dtype, device=outputs.device)[y]
    if batch.shared:
        y = y.expand(n_members, *y.shape)
    return outputs.reshape(n_members, -1, n_outputs), y.reshape(n_members, -1, n_outputs)
