"""From a model's text to the network that trains it."""

from __future__ import annotations

import math

import torch

from mstudy.core.study_params import DEFAULT_INIT, Init
from mstudy.curvature.initial_weights import begin_module
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import Network
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.models.build import build
from mstudy.models.families import LINEAR, MLP, check_data, parse


def build_network(
    model: str, objective: str, data: Dataset, device: torch.device, init: Init = DEFAULT_INIT
) -> Network:
    """Return the network for these data: perceptrons with derivatives written out, all others by autograd.

    Raises ConfigError when the model cannot take the data.
    """
    name = parse(model)
    if name.family in (LINEAR, MLP):
        check_data(name, data.input_shape, data.is_text)
        widths = (math.prod(data.input_shape), *name.sizes, data.n_outputs)
        return Mlp(widths, name.activation or "tanh", OBJECTIVES[objective], init=init)
    return ModuleNetwork(
        lambda: begin_module(build(model, data.input_shape, data.n_outputs, data.is_text), init),
        OBJECTIVES[objective],
        device=device,
    )
