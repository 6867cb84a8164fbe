"""The rules of normalisations, n = (x - mean) / sqrt(variance + eps), then weight * n + bias; see rules.py.

With r = 1 / sqrt(variance + eps), m = r (x' - mean(x')), s = mean(n m) and v = mean(m^2), means over what is
normalised together: n' = m - s n, and the second-order term of n is (3 s^2 - v) n - 2 s m.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mstudy.curvature.tangents.tangent import Cotangent, TangentOf, Terms, dot, total


def layer_norm(
    out: Tensor,
    tangent_of: TangentOf,
    cotangent: Cotangent,
    x: Tensor,
    shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Terms:
    """Return the rule of torch.nn.functional.layer_norm."""
    dims, tangent = tuple(range(-len(shape), 0)), tangent_of(x)
    of_weight, of_bias = tangent_of(weight), tangent_of(bias)
    n, _, r = torch.native_layer_norm(x, tuple(shape), None, None, eps)
    stretched = None if of_weight is None else n * of_weight
    shifted = None if of_bias is None else of_bias.expand(out.shape)
    if tangent is None:
        return total(stretched, shifted), None
    m = (tangent - tangent.mean(dims, keepdim=True)).mul_(r)
    s, v = (n * m).mean(dims, keepdim=True), m.square().mean(dims, keepdim=True)
    through = torch.addcmul(m, n, s, value=-1)
    against = cotangent() if weight is None else cotangent() * weight
    second_order = dot(against, (m * s).mul_(-2).addcmul_(n, 3 * s.square() - v))
    if of_weight is not None:
        second_order = second_order + 2 * dot(cotangent() * of_weight, through)
    return total(through if weight is None else through * weight, stretched, shifted), second_order


def group_norm(
    out: Tensor,
    tangent_of: TangentOf,
    cotangent: Cotangent,
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Terms:
    """Return the rule of torch.nn.functional.group_norm."""
    n_samples, n_channels = x.shape[:2]
    n, _, r = torch.native_group_norm(x.contiguous(), None, None, n_samples, n_channels, x[0, 0].numel(), groups, eps)

    def together(t: Tensor) -> Tensor:
        """Return (n_samples, n_channels) to the mean over each group, laid out alike."""
        means = t.view(n_samples, groups, -1).mean(2, keepdim=True)
        return means.expand(-1, -1, n_channels // groups).reshape(n_samples, n_channels)

    per_channel = r.view(n_samples, groups, 1).expand(-1, -1, n_channels // groups).reshape(n_samples, n_channels)
    return _by_channel(n, per_channel, together, tangent_of, cotangent, x, weight, bias)


def batch_norm(
    out: Tensor,
    tangent_of: TangentOf,
    cotangent: Cotangent,
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Terms:
    """Return the rule of torch.nn.functional.batch_norm."""
    if training or mean is None or variance is None:
        n, _, r = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        return _by_channel(n, r[None], lambda t: t.mean(0, keepdim=True), tangent_of, cotangent, x, weight, bias)
    shape = (-1, *(1,) * (x.ndim - 2))
    r = (variance + eps).rsqrt()
    n = (x - mean.view(shape)) * r.view(shape)
    return _by_channel(n, r[None], None, tangent_of, cotangent, x, weight, bias)


def _by_channel(
    n: Tensor,
    r: Tensor,
    together: Callable[[Tensor], Tensor] | None,
    tangent_of: TangentOf,
    cotangent: Cotangent,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
) -> Terms:
    """Return where weight, bias and r are constant over the pixels of a channel: few passes over the pixels are enough.

    n: (n_samples, n_channels, ...). r: (n_samples or 1, n_channels). together: from means over pixels
    (n_samples, n_channels) to means over what is normalised together, or None: by constants.
    """
    tangent, of_weight, of_bias = tangent_of(x), tangent_of(weight), tangent_of(bias)
    rows = (*n.shape[:2], -1)
    n = n.view(rows)
    gain = torch.ones_like(r[:1]) if weight is None else weight[None]
    stretch = torch.zeros_like(gain) if of_weight is None else of_weight[None]
    shift = torch.zeros_like(gain) if of_bias is None else of_bias[None]
    if tangent is None:
        return (n * stretch[..., None] + shift[..., None]).view(x.shape), None
    d, delta = tangent.reshape(rows), cotangent().reshape(rows)
    s = v = mean = torch.zeros_like(r)
    if together is not None:
        mean = together(d.mean(2))
        s = r * together((n * d).mean(2))
        v = r.square() * (together(d.square().mean(2)) - mean.square())
    along_n, along_d = (delta * n).sum(2), (delta * d).sum(2)
    along_m = r * (along_d - mean * delta.sum(2)) if together is not None else r * along_d
    second_order = gain * ((3 * s.square() - v) * along_n - 2 * s * along_m) + 2 * stretch * (along_m - s * along_n)
    through = d * (gain * r)[..., None]  # torch.addcmul takes thrice as long where it has to broadcast
    through += n * (stretch - gain * s)[..., None]
    through += (shift - gain * r * mean)[..., None]
    return through.view(x.shape), second_order.sum()
