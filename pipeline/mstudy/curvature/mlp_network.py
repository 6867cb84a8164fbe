"""A multilayer perceptron, K members side by side, with exact derivatives written out.

Every quantity of an ensemble is one batched matrix product per layer, so K small networks cost little more
interpreter time than one. Derivatives are explicit, not recorded: the second derivative along a direction needs only
a forward pass, which autograd does not know.

Symbols: `h[l]` the output of layer l, (n_members, n_samples, width), h[0] the inputs, h[-1] the network's outputs;
`z` the input of an activation, d1[l] = h'(z) and d2[l] = h''(z) there; `delta[l]` = d loss / d z of layer l.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mstudy.core.study_params import DEFAULT_INIT, Init
from mstudy.curvature.activation_derivatives import ACTIVATIONS
from mstudy.curvature.flat_rows import new_rows, padded
from mstudy.curvature.initial_weights import begin_layer
from mstudy.curvature.matmul import add_product, affine, multiply
from mstudy.curvature.network import CURVATURE, LOSS, Batch
from mstudy.curvature.objectives import Objective

_Layers = list[tuple[Tensor, Tensor]]


class Mlp:
    """K perceptrons of one architecture, an activation between layers, linear outputs.

    widths: layer sizes, inputs first, outputs last, e.g. (64, 64, 64, 10); two of them make a linear model.
    """

    engine = "explicit"

    def __init__(
        self,
        widths: Sequence[int],
        activation: str,
        objective: Objective,
        dtype: torch.dtype = torch.float32,
        init: Init = DEFAULT_INIT,
    ) -> None:
        self.widths = tuple(widths)
        self.activation = ACTIVATIONS[activation]
        self.objective = objective
        self.dtype = dtype
        self._init = init
        self._shapes = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self._sizes = [n for n_in, n_out in self._shapes for n in (n_in * n_out, n_out)]
        self.n_parameters = sum(self._sizes)
        self.row_length = padded(self.n_parameters)
        self._scratch: dict[str, Tensor] = {}

    def initial_weights(self, seed: int) -> Tensor:
        """Return one member's weights, (row_length,): PyTorch's default for Linear unless the study asks for others."""
        generator = torch.Generator().manual_seed(seed)
        w = torch.zeros(1, self.row_length, dtype=torch.float64)
        for weight, bias in self.layers(w):
            bound = weight.shape[1] ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
            begin_layer(weight[0].T, bias[0], self._init, generator)
        return w[0].to(self.dtype)

    def layers(self, w: Tensor) -> _Layers:
        """Return views of the rows: of each layer, weight (n_members, n_in, n_out) and bias (n_members, 1, n_out)."""
        parts = iter(w.split_with_sizes([*self._sizes, w.shape[1] - self.n_parameters], dim=1))
        return [(next(parts).view(-1, *shape), next(parts).unsqueeze(1)) for shape in self._shapes]

    def evaluate(self, w: Tensor, batch: Batch, order: int) -> MlpEvaluation:
        """Forward pass at `w`; inputs of more than one axis are flattened."""
        layers, h = self.layers(w), [self._inputs(w, batch)]
        d1, d2 = [], []
        for index, (weight, bias) in enumerate(layers, start=1):
            z = self.scratch(f"h{index}", h[-1], weight)
            affine(h[-1], weight, bias, z)
            if index < len(layers):
                d1.append(self.like(f"d1_{index}", z))
                d2.append(self.like(f"d2_{index}", z) if order == CURVATURE else None)
                self.activation(z, d1[-1], d2[-1])
            h.append(z)
        residual = self.like("residual", h[-1])
        loss = self.objective.residual(h[-1], batch.y, residual)
        return MlpEvaluation(self, w, batch, layers, loss, h, d1, d2, residual)

    def bytes_per_sample(self, batch: Batch) -> int:
        """Return memory of one member's second derivatives, a sample: some ten tensors a layer."""
        return 10 * sum(self.widths) * self.dtype.itemsize

    def scratch(self, name: str, left: Tensor, weight: Tensor) -> Tensor:
        """Return space for left @ weight, allocated once: fresh pages cost more than the arithmetic at these sizes."""
        return self._scratch_of(name, (left.shape[1], weight.shape[2]), weight)

    def like(self, name: str, t: Tensor) -> Tensor:
        """Return space for a tensor of the shape of `t`, which has members in front."""
        return self._scratch_of(name, tuple(t.shape[1:]), t)

    def _inputs(self, w: Tensor, batch: Batch) -> Tensor:
        n_members, n_samples = w.shape[0], batch.n_samples
        if batch.shared:
            return batch.x.reshape(n_samples, -1).expand(n_members, n_samples, -1)
        x = batch.x.reshape(n_members, n_samples, -1)
        return x if x[0].numel() == padded(x[0].numel()) else self.like("x", x).copy_(x)

    def _scratch_of(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        buffer = self._scratch.get(name)
        if buffer is None or buffer.shape != (like.shape[0], *shape):
            buffer = self._scratch[name] = new_rows(like.shape[0], shape, like)
        return buffer


@dataclass(frozen=True)
class MlpEvaluation:
    """One forward pass and what every derivative at the same point can share; lives in the network's scratch."""

    network: Mlp
    w: Tensor
    batch: Batch
    layers: _Layers
    loss: Tensor
    h: list[Tensor]
    d1: list[Tensor]  # of the hidden layers: d1[0] belongs to h[1]
    d2: list[Tensor | None]
    residual: Tensor

    def gradient(self) -> Tensor:
        """Compute the gradient by back-propagation."""
        gradient = self.network.like("gradient", self.w)
        slots = self.network.layers(gradient)
        for index, delta in self._deltas.items():
            _weight_gradient(slots[index], self.h[index], delta)
        return gradient

    def curvature_along(self, direction: Tensor) -> Tensor:
        """Compute it by second-order Taylor propagation of w + e d.

        Per layer the first and second derivative in e are carried forward with the value; no backward pass. About one
        gradient's work beside the shared forward pass.
        """
        space, directions = self.network, self.network.layers(direction)
        h1 = space.scratch("z1_0", self.h[0], directions[0][0])  # d h / d e; the inputs do not depend on e
        affine(self.h[0], *directions[0], h1)
        h2 = None  # d^2 h / d e^2
        for index in range(1, len(self.layers)):
            h1, h2 = self._through_activation(index, h1, h2)
            (weight, _), (d_weight, d_bias) = self.layers[index], directions[index]
            z1, z2 = (space.scratch(f"{name}_{index}", h1, weight) for name in ("z1", "z2"))
            scratch = self._sum_space(z1)
            add_product(affine(self.h[index], d_weight, d_bias, z1), h1, weight, scratch)
            add_product(multiply(h1, d_weight, z2).mul_(2), h2, weight, scratch)
            h1, h2 = z1, z2
        curvature = space.objective.curvature_product(self.h[-1], h1, space.like("r_out", h1)).mul_(h1)
        if h2 is not None:
            curvature.addcmul_(self.residual, h2)
        return curvature.sum(dim=(1, 2), dtype=torch.float64)

    def hessian_operator(self) -> Callable[[Tensor], Tensor]:
        """Return v to H v: Pearlmutter (1994), "Fast exact multiplication by the Hessian".

        Forward and backward passes differentiated along v. What does not depend on v is computed once; a product then
        costs about 1.4 gradients.
        """
        deltas = self._deltas
        d2_backward = {index: self._d2_backward(index, deltas[index]) for index in range(1, len(self.layers))}

        def product(v: Tensor) -> Tensor:
            image = torch.zeros_like(self.w)
            slots, directions = self.network.layers(image), self.network.layers(v)
            r_z, r_h = self._directional_layers(directions)
            r_delta = self.network.like("r_out", self.residual)
            self.network.objective.curvature_product(self.h[-1], r_z[-1], r_delta)
            for index in reversed(range(len(self.layers))):
                _weight_gradient(slots[index], self.h[index], r_delta)
                if index > 0:
                    space = self.network.like(f"sum_weight{index}", slots[index][0])
                    add_product(slots[index][0], r_h[index - 1].transpose(1, 2), deltas[index], space)
                    r_back = multiply(r_delta, _transposed(self.layers[index]), r_h[index - 1])
                    add_product(r_back, deltas[index], _transposed(directions[index]), self._sum_space(r_back))
                    r_delta = r_back.mul_(self.d1[index - 1]).addcmul_(d2_backward[index], r_z[index - 1])
            return image

        return product

    def loss_at(self, w: Tensor) -> Tensor:
        """Return the loss of the same batch at other weights; it overwrites what the scratch holds of these."""
        return self.network.evaluate(w, self.batch, LOSS).loss

    @cached_property
    def _deltas(self) -> dict[int, Tensor]:
        """Layer to d loss / d z of it, last layer first."""
        last = len(self.layers) - 1
        deltas = {last: self.residual}
        for index in range(last, 0, -1):
            back = multiply(deltas[index], _transposed(self.layers[index]), self._space("delta", index))
            deltas[index - 1] = back.mul_(self.d1[index - 1])
        return deltas

    def _d2_backward(self, index: int, delta: Tensor) -> Tensor:
        """Return h'' times the error that reaches h[index]: how h' changes the error passed back, as z moves."""
        back = multiply(delta, _transposed(self.layers[index]), self._space("d2_backward", index))
        return back.mul_(self._second(index))

    def _directional_layers(self, directions: _Layers) -> tuple[list[Tensor], list[Tensor]]:
        """Compute the derivatives of each activation's input and output along a weight direction."""
        r_z, r_h = list[Tensor](), list[Tensor]()
        for index, ((weight, _), (d_weight, d_bias)) in enumerate(zip(self.layers, directions, strict=True)):
            z = self.network.scratch(f"r_z{index}", self.h[index], weight)
            affine(self.h[index], d_weight, d_bias, z)
            if index > 0:
                r_h.append(torch.mul(r_z[-1], self.d1[index - 1], out=self._space("r_h", index)))
                add_product(z, r_h[-1], weight, self._sum_space(z))
            r_z.append(z)
        return r_z, r_h

    def _through_activation(self, index: int, z1: Tensor, z2: Tensor | None) -> tuple[Tensor, Tensor]:
        """Propagate Taylor coefficients: h1 = h' z1, h2 = h' z2 + h'' z1^2. Overwrites z1 and z2."""
        d1 = self.d1[index - 1]
        h1 = torch.mul(z1, d1, out=self._space("t1", index))
        second_order = z1.mul_(z1).mul_(self._second(index))
        return h1, second_order if z2 is None else z2.mul_(d1).add_(second_order)

    def _second(self, index: int) -> Tensor:
        """Return h'' at the input of activation `index`."""
        d2 = self.d2[index - 1]
        if d2 is None:
            raise ValueError("evaluate(..., order=CURVATURE) is needed for second derivatives")
        return d2

    def _space(self, name: str, index: int) -> Tensor:
        return self.network.like(f"{name}{index}", self.h[index])

    def _sum_space(self, out: Tensor) -> Tensor:
        """Return space for what is added to `out`, the same for all layers of its width: the caches are small."""
        return self.network.like(f"sum{out.shape[2]}", out)


def _transposed(layer: tuple[Tensor, Tensor]) -> Tensor:
    return layer[0].transpose(1, 2)


def _weight_gradient(slot: tuple[Tensor, Tensor], h: Tensor, delta: Tensor) -> None:
    multiply(h.transpose(1, 2), delta, slot[0])
    torch.sum(delta, dim=1, keepdim=True, out=slot[1])
