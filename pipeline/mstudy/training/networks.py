"""From a model's text to the network that trains it."""

from __future__ import annotations

import math

import torch

from mstudy.training.autograd import ModuleNetwork
from mstudy.training.datasets.dataset import Dataset
from mstudy.training.mlp import Mlp
from mstudy.training.models import names, registry
from mstudy.training.models.demands import check_data
from mstudy.training.network import Network
from mstudy.training.objectives import OBJECTIVES


def build_network(model: str, objective: str, data: Dataset, device: torch.device) -> Network:
    """The network for these data: perceptrons with derivatives written out, all else by autograd.

    Raises ConfigError when the model cannot take the data.
    """
    name = names.parse(model)
    if name.family in (names.LINEAR, names.MLP):
        check_data(name, data.input_shape, data.is_text)
        widths = (math.prod(data.input_shape), *name.sizes, data.n_outputs)
        return Mlp(widths, name.activation or "tanh", OBJECTIVES[objective])
    return ModuleNetwork(
        lambda: registry.build(model, data.input_shape, data.n_outputs, data.is_text),
        OBJECTIVES[objective],
        device=device,
    )
