"""A tanh multilayer perceptron, K members side by side, with exact derivatives written out.

Every quantity of an ensemble is one batched matrix product per layer, so K small networks cost little more
interpreter time than one. Parameters live in one flat matrix `w` (n_members, n_parameters): an optimiser step,
a norm or an inner product is then one line. Derivatives are explicit, not recorded: the second derivative along a
direction needs only a forward pass, which autograd does not know.

Symbols: `x` inputs, (n_samples, n_in) shared by all members or (n_members, n_samples, n_in); `y` one-hot targets,
shaped likewise; `h[l]` the output of layer l, h[0] = x, h[-1] = the network's outputs;
`delta[l]` = d loss / d (input of the activation of layer l).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mstudy.training.objectives import Objective


@dataclass(frozen=True)
class Forward:
    """One evaluation of an ensemble: what every derivative at the same point can share.

    loss: (n_members,). h: layer outputs, h[0] = x. slope[l]: derivative of the activation that made h[l], None for
    the inputs and the linear outputs. residual: d loss / d outputs.
    Tensors belong to the network's scratch space and hold until its next evaluation.
    """

    loss: Tensor
    h: list[Tensor]
    slope: list[Tensor | None]
    residual: Tensor


class Mlp:
    """K perceptrons of one architecture, tanh between layers, linear output.

    widths: layer sizes, inputs first, classes last, e.g. (64, 64, 64, 10).
    """

    def __init__(self, widths: Sequence[int], objective: Objective, dtype: torch.dtype = torch.float32) -> None:
        self.widths = tuple(widths)
        self.objective = objective
        self.dtype = dtype
        self._shapes = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self.n_parameters = sum(n_in * n_out + n_out for n_in, n_out in self._shapes)
        self._scratch: dict[str, Tensor] = {}

    def initial_weights(self, seed: int) -> Tensor:
        """One member's weights, (n_parameters,): uniform on +-1/sqrt(fan_in), PyTorch's default for Linear."""
        generator = torch.Generator().manual_seed(seed)
        w = torch.empty(1, self.n_parameters, dtype=torch.float64)
        for weight, bias in self.layers(w):
            bound = weight.shape[1] ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        return w[0].to(self.dtype)

    def layers(self, w: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of the flat weights: per layer, weight (n_members, n_in, n_out) and bias (n_members, 1, n_out)."""
        views, start = [], 0
        for n_in, n_out in self._shapes:
            middle, stop = start + n_in * n_out, start + n_in * n_out + n_out
            views.append((w[:, start:middle].view(-1, n_in, n_out), w[:, middle:stop].unsqueeze(1)))
            start = stop
        return views

    def forward(self, w: Tensor, x: Tensor, y: Tensor) -> Forward:
        """Loss and layer outputs at `w`."""
        h: list[Tensor] = [x if x.dim() == 3 else x.expand(w.shape[0], *x.shape)]
        slope: list[Tensor | None] = [None]
        for index, (weight, bias) in enumerate(self.layers(w), start=1):
            out = self._buffer(f"h{index}", h[-1], weight)
            torch.baddbmm(bias, h[-1], weight, out=out)
            hidden = index < len(self._shapes)
            slope.append(_tanh_and_slope_(out, self._like(f"slope{index}", out)) if hidden else None)
            h.append(out)
        loss, residual = self.objective.loss_and_residual(h[-1], y)
        return Forward(loss, h, slope, residual)

    def gradient(self, w: Tensor, at: Forward) -> Tensor:
        """Gradient of the loss, (n_members, n_parameters); back-propagation. Scratch, as the evaluation `at` is."""
        gradient = self._like("gradient", w)
        slots = self.layers(gradient)
        for index, delta in self._deltas(w, at):
            _weight_gradient(slots[index], at.h[index], delta)
        return gradient

    def curvature_along(self, w: Tensor, direction: Tensor, at: Forward) -> Tensor:
        """Second derivative of the loss along `direction`: d^T H d, (n_members,).

        Second-order Taylor propagation of w + e d: per layer the first and second derivative in e are carried
        forward with the value; no backward pass. About one gradient's work beside the shared forward pass.
        """
        layers, directions = self.layers(w), self.layers(direction)
        h1 = self._buffer("z1_0", at.h[0], directions[0][0])  # d h / d e; the inputs do not depend on e
        torch.baddbmm(directions[0][1], at.h[0], directions[0][0], out=h1)
        h2 = None  # d^2 h / d e^2
        for index in range(1, len(layers)):
            h1, h2 = self._through_tanh(index, h1, h2, at)
            (weight, _), (d_weight, d_bias) = layers[index], directions[index]
            z1, z2 = (self._buffer(f"{name}_{index}", h1, weight) for name in ("z1", "z2"))
            torch.baddbmm(d_bias, at.h[index], d_weight, out=z1).baddbmm_(h1, weight)
            torch.bmm(h1, d_weight, out=z2).mul_(2).baddbmm_(h2, weight)
            h1, h2 = z1, z2
        curvature = h1 * self.objective.curvature_product(at.h[-1], h1)
        if h2 is not None:
            curvature.addcmul_(at.residual, h2)
        return curvature.sum(dim=(1, 2), dtype=torch.float64)

    def hessian_operator(self, w: Tensor, at: Forward) -> Callable[[Tensor], Tensor]:
        """v -> H v on (n_members, n_parameters); valid as long as `at`.

        Pearlmutter (1994), "Fast exact multiplication by the Hessian": forward and backward passes differentiated
        along v. What does not depend on v is computed once; a product then costs about 1.6 gradients.
        """
        layers = self.layers(w)
        deltas = dict(self._deltas(w, at))
        # slope' back = -2 h slope back = -2 h delta: how the activation's slope turns the error as h moves.
        bends = {index: at.h[index] * deltas[index - 1] * -2 for index in range(1, len(layers))}

        def product(v: Tensor) -> Tensor:
            directions, image = self.layers(v), torch.empty_like(w)
            slots = self.layers(image)
            r_z = self._directional_inputs(layers, directions, at)
            r_delta = self.objective.curvature_product(at.h[-1], r_z[-1])
            for index in reversed(range(len(layers))):
                _weight_gradient(slots[index], at.h[index], r_delta)
                if index == 0:
                    return image
                r_h = r_z[index - 1] * _known(at.slope[index])
                slots[index][0].baddbmm_(r_h.transpose(1, 2), deltas[index])
                r_back = torch.bmm(r_delta, layers[index][0].transpose(1, 2))
                r_back.baddbmm_(deltas[index], directions[index][0].transpose(1, 2))
                r_delta = r_back.mul_(_known(at.slope[index])).addcmul_(bends[index], r_z[index - 1])
            raise AssertionError("a network has at least one layer")

        return product

    def _deltas(self, w: Tensor, at: Forward) -> Iterator[tuple[int, Tensor]]:
        """(layer, d loss / d input of the layer's activation), last layer first."""
        layers, delta = self.layers(w), at.residual
        for index in reversed(range(len(layers))):
            yield index, delta
            if index > 0:
                back = self._like(f"delta{index}", at.h[index])
                delta = torch.bmm(delta, layers[index][0].transpose(1, 2), out=back).mul_(_known(at.slope[index]))

    def _directional_inputs(
        self, layers: list[tuple[Tensor, Tensor]], directions: list[tuple[Tensor, Tensor]], at: Forward
    ) -> list[Tensor]:
        """Derivative of each activation's input along a weight direction."""
        r_z: list[Tensor] = []
        for index, ((weight, _), (d_weight, d_bias)) in enumerate(zip(layers, directions, strict=True)):
            z = self._buffer(f"r_z{index}", at.h[index], weight)
            torch.baddbmm(d_bias, at.h[index], d_weight, out=z)
            if index > 0:
                z.baddbmm_(r_z[-1] * _known(at.slope[index]), weight)
            r_z.append(z)
        return r_z

    def _through_tanh(self, index: int, z1: Tensor, z2: Tensor | None, at: Forward) -> tuple[Tensor, Tensor]:
        """Taylor coefficients through tanh: h' = s z', h'' = s z'' - 2 h h' z', s its slope. Overwrites z', z''."""
        h, slope = at.h[index], _known(at.slope[index])
        h1 = torch.mul(z1, slope, out=self._like(f"t1_{index}", h))
        bend = z1.mul_(h1).mul_(h)
        return h1, bend.mul_(-2) if z2 is None else z2.mul_(slope).sub_(bend, alpha=2)

    def _buffer(self, name: str, left: Tensor, weight: Tensor) -> Tensor:
        """Scratch for left @ weight, allocated once: fresh pages cost more than the arithmetic at these sizes."""
        return self._scratch_of(name, (*left.shape[:2], weight.shape[2]), weight)

    def _like(self, name: str, t: Tensor) -> Tensor:
        return self._scratch_of(name, tuple(t.shape), t)

    def _scratch_of(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        held = self._scratch.get(name)
        if held is None or held.shape != shape:
            held = self._scratch[name] = like.new_empty(shape)
        return held


def tanh_(z: Tensor) -> Tensor:
    """tanh in place. On the CPU through NumPy, whose vectorised kernel is some ten times faster than torch's."""
    if z.device.type == "cpu":
        array = z.numpy()
        np.tanh(array, out=array)
        return z
    return z.tanh_()


def _tanh_and_slope_(z: Tensor, slope: Tensor) -> Tensor:
    """Replace z by h = tanh(z); return 1 - h^2 in `slope`."""
    tanh_(z)
    return torch.mul(z, z, out=slope).neg_().add_(1)


def _weight_gradient(slot: tuple[Tensor, Tensor], h: Tensor, delta: Tensor) -> None:
    torch.bmm(h.transpose(1, 2), delta, out=slot[0])
    torch.sum(delta, dim=1, keepdim=True, out=slot[1])


def _known(slope: Tensor | None) -> Tensor:
    assert slope is not None, "only the inputs and the outputs have no activation"
    return slope
