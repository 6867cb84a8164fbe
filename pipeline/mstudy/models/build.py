"""From a model's name to its network.

Every network is a deterministic function of its weights and of the batch: no dropout, no running statistics, and a
state_dict that holds the parameters alone, so torch.func.functional_call on stacked parameters trains K members at
once. Initial weights are PyTorch's defaults for each layer, drawn from torch's global generator and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mstudy.models.families import CNN, RESNET18, TRANSFORMER, VGG11, check_data, parse

if TYPE_CHECKING:
    from torch import nn


def check(model: str) -> None:
    """Raises ConfigError when `model` has none of the known forms. Does not load torch."""
    parse(model)


def build(model: str, input_shape: tuple[int, ...], n_outputs: int, is_text: bool = False) -> nn.Module:
    """A freshly initialised network for samples of `input_shape`.

    Numbers (n_samples, *input_shape) become outputs (n_samples, n_outputs); text, int64 symbols below n_outputs of
    shape (n_samples, length), becomes (n_samples, length, n_outputs): at each place the next symbol's logits.
    Raises ConfigError when the model is unknown or cannot take the data.
    """
    # Imported here and not above: a name is checked where torch is not loaded.
    from mstudy.models import cnn, perceptron, resnet, transformer, vgg

    name = parse(model)
    check_data(name, input_shape, is_text)
    if name.family == TRANSFORMER:
        n_layers, width, n_heads = name.sizes
        return transformer.Transformer(n_layers, width, n_heads, input_shape[0], n_outputs)
    if name.family == RESNET18:
        return resnet.resnet18(name.norm, name.sizes[0], input_shape[0], n_outputs)
    if name.family == VGG11:
        return vgg.vgg11(name.norm, name.sizes[0], input_shape, n_outputs)
    if name.family == CNN:
        return cnn.convolutional(name.activation, name.sizes, input_shape, n_outputs)
    return perceptron.perceptron(name.activation, name.sizes, input_shape, n_outputs)
