"""How the weights of a network begin, where a study asks for more than PyTorch's defaults.

Sources: Glorot and Bengio 2010 (Xavier), He et al. 2015 (Kaiming). The gain multiplies the standard deviation, and is 1
for a linear layer in both.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from mstudy.core.study_params import DEFAULT_INIT, Init

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)  # normalisation begins as it does

_Draw = Callable[[Tensor, Generator | None], Tensor]
_STANDARD: dict[str, _Draw] = {  # with gain 1
    "xavier_uniform": lambda weight, generator: nn.init.xavier_uniform_(weight, generator=generator),
    "xavier_normal": lambda weight, generator: nn.init.xavier_normal_(weight, generator=generator),
    "kaiming_uniform": lambda weight, generator: nn.init.kaiming_uniform_(
        weight, nonlinearity="linear", generator=generator
    ),
    "kaiming_normal": lambda weight, generator: nn.init.kaiming_normal_(
        weight, nonlinearity="linear", generator=generator
    ),
}


@torch.no_grad()
def begin_layer(weight: Tensor, bias: Tensor | None, init: Init, generator: Generator | None = None) -> None:
    """Change, in place, the weight (n_out, n_in, ...) and bias (n_out,) of a layer that PyTorch's default has drawn.

    Where the weights are drawn anew the default draws are used up all the same, so a seed's biases stay what they are.
    """
    if init.weights in _STANDARD:
        _STANDARD[init.weights](weight, generator).mul_(init.gain)
    weight.mul_(init.scale)
    if bias is not None:
        bias.mul_(0.0 if init.zero_biases else init.scale)


def begin_module(module: nn.Module, init: Init) -> nn.Module:
    """Change the weights and biases of a fresh module's layers, from torch's global random state; return the module."""
    if init == DEFAULT_INIT:
        return module
    for layer in module.modules():
        if isinstance(layer, _LAYERS):
            bias = getattr(layer, "bias", None)
            begin_layer(layer.weight, bias if isinstance(bias, Tensor) else None, init)
    return module
