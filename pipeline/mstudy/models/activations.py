"""The activations that a model's name may ask for.

All are smooth except relu. The second derivative of relu is 0 almost everywhere, so the Hessian of a relu network is
that of the linear piece on which the weights lie.
"""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}


def activation(name: str) -> nn.Module:
    """Return a layer that applies the activation elementwise."""
    return ACTIVATIONS[name]()
