"""From a model's text to its network.

Every network is a deterministic function of its weights and of the batch: no dropout, no running statistics, and a
state_dict that holds only the parameters, so torch.func.functional_call on stacked parameters trains K members at
once. Initial weights are PyTorch's defaults for each layer, drawn from torch's global generator and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mstudy.models.families import FAMILY, check_data, parse

if TYPE_CHECKING:
    from torch import nn


def build(model: str, input_shape: tuple[int, ...], n_outputs: int, is_text: bool = False) -> nn.Module:
    """Return a freshly initialised network for samples of `input_shape`.

    Numbers (n_samples, *input_shape) become outputs (n_samples, n_outputs); text, int64 symbols below n_outputs of
    shape (n_samples, length), becomes (n_samples, length, n_outputs): at each place the next symbol's logits.
    Raises ConfigError when the model is unknown or cannot take the data.
    """
    name = parse(model)
    check_data(name, input_shape, is_text)
    return FAMILY[name.family].build(name, input_shape, n_outputs)
