"""A multilayer perceptron; without hidden layers a linear model. Samples of any shape are flattened."""

from __future__ import annotations

import math

from torch import nn

from mstudy.models.activations import activation


def perceptron(act: str, hidden: tuple[int, ...], input_shape: tuple[int, ...], n_outputs: int) -> nn.Sequential:
    """Return (n_samples, *input_shape) -> (n_samples, n_outputs); the activation `act` after each hidden layer."""
    layers: list[nn.Module] = [nn.Flatten()]
    n_in = math.prod(input_shape)
    for width in hidden:
        layers += [nn.Linear(n_in, width), activation(act)]
        n_in = width
    return nn.Sequential(*layers, nn.Linear(n_in, n_outputs))
