"""From a model's text to the network that trains it."""

from __future__ import annotations

import math

import torch

from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import Network
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.models import build as registry
from mstudy.models import families as names
from mstudy.models.families import check_data


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
