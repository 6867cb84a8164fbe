"""Is the loss of some samples the mean of the losses of their parts?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from mstudy.core.errors import DataError, TrainingError
from mstudy.probe.user_batches import joined
from mstudy.probe.user_data import UserData

_ROUNDING_UNITS = 200.0  # of the losses' dtype: what the order of a sum may change
_SHAKE = 0.1  # of the weights: at its start a network may have one loss for all samples
_REMEDY = (
    "give weight=, a function that returns what the loss of a batch is a mean over, as the number of its valid tokens"
)


class Measurable(Protocol):
    """What the check needs of a module."""

    dtype: torch.dtype

    def plain_loss(self, w: Tensor, batch: Any, seed: int = 0) -> float:
        """Return the loss at the row `w` where samples do not see each other in a batch normalisation."""


def check_mean(network: Measurable, w: Tensor, data: UserData, chunk: int | None) -> None:
    """Raise TrainingError unless the loss of the data is the mean over samples of the losses of its pieces.

    Each two pieces that follow each other are compared with their union, once. A loss that draws random numbers draws
    other ones for the union, so nothing can be told of it.
    """
    if not data.means:
        data.means.append(all(_is_mean(network, w, *pair) for pair in pairwise(data.pieces(chunk))))
    if not data.means[0]:
        raise TrainingError(
            "The loss of batches together must be the mean of their losses by numbers of samples, found another value; "
            f"{_REMEDY}."
        )


def _is_mean(network: Measurable, w: Tensor, first: tuple[float, Any], second: tuple[float, Any]) -> bool:
    try:
        whole = joined(first[1], second[1])
    except DataError as error:
        raise TrainingError(
            f"The loss of batches of several shapes cannot be compared with that of all together ({error}); {_REMEDY}."
        ) from None
    return all(_agree(network, at, whole, first, second) for at in _points(w))


def _agree(network: Measurable, w: Tensor, whole: Any, first: tuple[float, Any], second: tuple[float, Any]) -> bool:
    together = network.plain_loss(w, whole)
    if network.plain_loss(w, whole, seed=1) != together:
        return True
    losses = network.plain_loss(w, first[1]), network.plain_loss(w, second[1])
    if not math.isfinite(together):
        return True
    mean = (first[0] * losses[0] + second[0] * losses[1]) / (first[0] + second[0])
    size = abs(together) + abs(losses[0]) + abs(losses[1])
    return abs(together - mean) <= _ROUNDING_UNITS * torch.finfo(network.dtype).eps * size


def _points(w: Tensor) -> Iterator[Tensor]:
    """Yield the weights, and others near them."""
    yield w
    chance = torch.Generator().manual_seed(0)
    size = w.square().mean().sqrt() + _SHAKE
    shake = torch.randn(w.shape, generator=chance, dtype=torch.float64)
    yield w + shake.to(w) * (_SHAKE * size)
