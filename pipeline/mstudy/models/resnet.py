"""ResNet-18 in the form for small images: He et al. (2015), arXiv 1512.03385.

Their 18 layers (four stages of two basic blocks, widths 1, 2, 4, 8 times the first), with a 3x3 stem and no max
pooling, as usual for 32x32 pixels; projections where the shape changes (their option B).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from mstudy.models.normalisation import convolution

BLOCKS_A_STAGE = 2
STAGES = ((1, 1), (2, 2), (4, 2), (8, 2))  # width as a multiple of the first, stride of the first block


def resnet18(norm: str, width: int, n_in: int, n_outputs: int) -> nn.Sequential:
    """Return (n_samples, n_in, height, width) -> (n_samples, n_outputs); `width` channels in the first stage."""
    layers: list[nn.Module] = [convolution(norm, n_in, width), nn.ReLU()]
    channels = width
    for multiple, first_stride in STAGES:
        for index in range(BLOCKS_A_STAGE):
            layers.append(BasicBlock(norm, channels, multiple * width, first_stride if index == 0 else 1))
            channels = multiple * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: the identity, or a 1x1 projection where the shape changes."""

    def __init__(self, norm: str, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(norm, n_in, n_out, stride=stride)
        self.second = convolution(norm, n_out, n_out)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else convolution(norm, n_in, n_out, size=1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_samples, n_in, height, width) -> (n_samples, n_out, height / stride, width / stride), rounded
        up.
        """
        h = functional.relu(self.first(x))
        return functional.relu(self.second(h) + self.shortcut(x))
