"""Normalisation of feature maps (n_samples, channels, height, width): by group, by batch, or none.

group: Wu & He (2018), arXiv 1803.08494. Each sample by itself, 32 groups; a map whose channels 32 does not divide
has as many groups as do divide them. At 32 channels or fewer each channel is a group (instance normalisation).

batch: Ioffe & Szegedy (2015), arXiv 1502.03167, without running statistics: the loss is a function of the weights and
of the batch alone, in eval mode as in train mode. Every derivative goes through the batch's mean and variance, so a
sample's loss depends on the others evaluated with it: the Hessian on n samples is that of the n samples at once,
not the mean of the Hessians of its parts. Two losses compare only at the same number of samples at once, and an
evaluation must not be cut into chunks unless the chunks are the batches meant.
"""

from __future__ import annotations

from torch import nn

MAX_GROUPS = 32


def normalisation(norm: str, channels: int) -> nn.Module:
    """Return a normalisation layer with a learned scale and shift a channel; for "none" the identity."""
    if norm == "group":
        return nn.GroupNorm(n_groups(channels), channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels, track_running_stats=False)
    return nn.Identity()


def n_groups(channels: int) -> int:
    """Return the largest number of groups, at most 32, that divides the channels."""
    return max(g for g in range(1, min(MAX_GROUPS, channels) + 1) if channels % g == 0)


def convolution(norm: str, n_in: int, n_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the image's size (up to the stride), and its normalisation.

    The convolution has a bias only without normalisation: a normalisation's shift takes its place, and under batch
    normalisation a bias would be a direction in which the loss is flat.
    """
    layer = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=norm == "none")
    return nn.Sequential(layer, normalisation(norm, n_out))
