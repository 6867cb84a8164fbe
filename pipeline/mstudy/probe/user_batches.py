"""Batches of a user's own making: a tensor, or tuples, lists and mappings that hold tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mstudy.core.errors import DataError


def is_batch(data: object) -> bool:
    """Return whether `data` is one batch; else it is something that gives batches.

    A tensor, a mapping, and a tuple or list that holds a tensor itself are batches.
    """
    if isinstance(data, tuple | list):
        return any(isinstance(part, Tensor) for part in data)
    return isinstance(data, Tensor | Mapping)


def n_samples(batch: Any) -> int:
    """Return the length of the first dimension of all tensors of the batch. Raises DataError where they differ."""
    sizes = {t.shape[0] if t.ndim > 0 else 1 for t in tensors(batch)}
    if len(sizes) != 1 or 0 in sizes:
        raise DataError(
            f"The tensors of a batch must have the samples, at least one, as their first dimension, found {sizes}."
        )
    return sizes.pop()


def tensors(batch: Any) -> Iterator[Tensor]:
    """Yield all tensors in the batch, in order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        yield from tensors(tuple(batch.values()))
    elif isinstance(batch, tuple | list):
        for part in batch:
            yield from tensors(part)


def in_pieces(batch: Any, size: int | None) -> Iterator[Any]:
    """Yield the batch in pieces of at most `size` samples; None: as it is."""
    n = n_samples(batch)
    if size is None or n <= size:
        yield batch
        return
    for start in range(0, n, size):
        yield mapped(batch, partial(_cut, piece=slice(start, start + size)))


def _cut(tensor: Tensor, piece: slice) -> Tensor:
    return tensor[piece] if tensor.ndim > 0 else tensor


def placed(batch: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the batch on the device, its floating point numbers in the dtype."""
    return mapped(batch, lambda t: t.to(device, dtype if t.is_floating_point() else None))


def mapped(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the batch with each tensor changed; what is no tensor stays as it is."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {key: mapped(part, change) for key, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(part, change) for part in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(mapped(part, change) for part in batch)
    return batch
