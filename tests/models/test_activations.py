"""Truth: the functions in closed form, from the standard library."""

import math

import pytest
import torch
from mstudy.models.activations import activation
from mstudy.models.families import ACTIVATIONS

CLOSED_FORM = {
    "tanh": math.tanh,
    "relu": lambda z: max(z, 0.0),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "softplus": lambda z: math.log1p(math.exp(z)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation(name):
    z = torch.linspace(-4, 4, 33, dtype=torch.float64)

    expected = torch.tensor([CLOSED_FORM[name](float(v)) for v in z], dtype=torch.float64)

    torch.testing.assert_close(activation(name)(z), expected)
