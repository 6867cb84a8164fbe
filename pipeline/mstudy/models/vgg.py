"""VGG-11 for 32x32 pixels: configuration A of Simonyan & Zisserman (2014), arXiv 1409.1556.

The eight convolutions are theirs; one linear layer stands for the three, as usual for small images, and there is no
dropout.
"""

from __future__ import annotations

from torch import nn

from mstudy.models.normalisation import convolution

MULTIPLES = (1, 2, 4, 4, 8, 8, 8, 8)  # of the first layer's channels
POOLED = (1, 2, 4, 6, 8)  # layers with 2x2 max pooling after them
SHRINKAGE = 2 ** len(POOLED)


def vgg11(norm: str, width: int, input_shape: tuple[int, ...], n_outputs: int) -> nn.Sequential:
    """Return (n_samples, *input_shape) -> (n_samples, n_outputs), input_shape = (channels, height, width), each side
    >= 32.
    """
    n_in, n_rows, n_columns = input_shape
    layers: list[nn.Module] = []
    for index, multiple in enumerate(MULTIPLES, start=1):
        layers += [convolution(norm, n_in, multiple * width), nn.ReLU()]
        if index in POOLED:
            layers.append(nn.MaxPool2d(2))
        n_in = multiple * width
    n_features = n_in * (n_rows // SHRINKAGE) * (n_columns // SHRINKAGE)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_features, n_outputs))
