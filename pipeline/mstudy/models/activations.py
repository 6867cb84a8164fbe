"""The activations that a model's name may ask for. All are smooth but relu, whose second derivative is 0 almost
everywhere: the Hessian of a relu network is that of the piece the weights are on."""

from __future__ import annotations

from torch import nn

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}


def activation(name: str) -> nn.Module:
    """A layer that applies the activation elementwise."""
    return _ACTIVATIONS[name]()
