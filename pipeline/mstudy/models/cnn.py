"""A small convolutional network without normalisation; average pooling keeps it as smooth as its activation."""

from __future__ import annotations

from torch import nn

from mstudy.models.activations import activation


def convolutional(act: str, channels: tuple[int, ...], input_shape: tuple[int, ...], n_outputs: int) -> nn.Sequential:
    """Return (n_samples, *input_shape) -> (n_samples, n_outputs), input_shape = (channels, height, width).

    For each entry of `channels` a 3x3 convolution, the activation `act` and 2x2 average pooling; then one linear
    layer. Pooling drops an odd row or column, and stops once a side is a single pixel.
    """
    n_in, height, width = input_shape
    layers: list[nn.Module] = []
    for n_out in channels:
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), activation(act)]
        if min(height, width) >= 2:
            layers.append(nn.AvgPool2d(2))
            height, width = height // 2, width // 2
        n_in = n_out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_in * height * width, n_outputs))
