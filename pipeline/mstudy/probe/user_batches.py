"""Batches of a user's own making: tensors, and what holds them: tuples, lists, mappings, dataclasses."""

from __future__ import annotations

import copy
import dataclasses
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mstudy.core.errors import DataError
from mstudy.probe.without_trace.swapped_tensors import in_precision


def is_batch(data: object) -> bool:
    """Return whether `data` is one batch; else it is something that gives batches.

    A tensor, a mapping, a dataclass, a plain object with a tensor among its attributes, and a tuple or list that holds
    a tensor itself are batches.
    """
    if isinstance(data, tuple | list):
        return any(isinstance(part, Tensor) for part in data)
    if isinstance(data, Tensor | Mapping) or _is_record(data):
        return True
    return not isinstance(data, Iterator | torch.utils.data.DataLoader | torch.utils.data.Dataset) and any(
        isinstance(part, Tensor) for part in getattr(data, "__dict__", {}).values()
    )


def n_samples(batch: Any) -> int:
    """Return the length of the first dimension of all tensors of the batch. Raises DataError where they differ.

    A tensor without dimensions belongs to all samples.
    """
    found = list(tensors(batch))
    sizes = {t.shape[0] for t in found if t.ndim > 0} or {1 for _ in found}
    if len(sizes) != 1 or 0 in sizes:
        raise DataError(
            "The tensors of a batch must have the samples, at least one, as their first dimension, found "
            f"{sizes or 'no tensor'} in a {type(batch).__name__}."
        )
    return sizes.pop()


def tensors(batch: Any) -> Iterator[Tensor]:
    """Yield all tensors in the batch, in order."""
    if isinstance(batch, Tensor):
        yield batch
        return
    for part in _parts(batch).values():
        yield from tensors(part)


def in_pieces(batch: Any, size: int | None) -> Iterator[Any]:
    """Yield the batch in pieces of at most `size` samples; None: as it is."""
    if size is None or (n := n_samples(batch)) <= size:
        yield batch
        return
    for start in range(0, n, size):
        yield mapped(batch, partial(_cut, piece=slice(start, start + size)))


def joined(first: Any, second: Any) -> Any:
    """Return one batch of the samples of both. Raises DataError where their shapes do not fit."""
    following = list(tensors(second))
    if len(following) != len(list(tensors(first))):
        raise DataError("Batches must hold the same tensors to be joined, found other ones.")
    left = iter(following)
    return mapped(first, lambda t: _join(t, next(left)))


def placed(batch: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the batch on the device, its floating point numbers in the dtype."""
    return mapped(batch, lambda t: t.to(device, in_precision(t, dtype)))


def mapped(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the batch, of the same type, with each tensor changed; what is no tensor stays as it is."""
    if isinstance(batch, Tensor):
        return change(batch)
    parts = _parts(batch)
    if not parts and not isinstance(batch, tuple | list | Mapping):
        return batch
    changed = {key: mapped(part, change) for key, part in parts.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*changed.values())
    if isinstance(batch, tuple | list):
        return type(batch)(changed.values())
    if isinstance(batch, Mapping):
        return _mapping_like(batch, changed)
    return _record_like(batch, changed)


def _parts(batch: Any) -> dict[Any, Any]:
    """Return what the batch holds, by key, place or attribute; nothing of what cannot hold tensors."""
    if isinstance(batch, Mapping):
        return {key: batch[key] for key in batch}
    if isinstance(batch, tuple | list):
        return dict(enumerate(batch))
    if _is_record(batch):
        names = [field.name for field in dataclasses.fields(batch)]
        return {name: getattr(batch, name) for name in names if hasattr(batch, name)}
    attributes = getattr(batch, "__dict__", {})
    return dict(attributes) if any(isinstance(part, Tensor) for part in attributes.values()) else {}


def _is_record(batch: object) -> bool:
    return dataclasses.is_dataclass(batch) and not isinstance(batch, type)


def _mapping_like(batch: Any, entries: dict[Any, Any]) -> Any:
    """Return a mapping of the type of `batch`; a copy is filled anew where the type can be written to."""
    if type(batch) is dict:
        return entries
    if not isinstance(batch, MutableMapping):
        return type(batch)(entries)
    twin: Any = copy.copy(batch)
    if isinstance(batch, UserDict):
        twin.data = entries
    else:
        twin.update(entries)
    return twin


def _record_like(batch: Any, attributes: dict[str, Any]) -> Any:
    twin = copy.copy(batch)
    for name, value in attributes.items():
        object.__setattr__(twin, name, value)
    return twin


def _cut(tensor: Tensor, piece: slice) -> Tensor:
    return tensor[piece] if tensor.ndim > 0 else tensor


def _join(first: Tensor, second: Tensor) -> Tensor:
    if first.ndim == 0:
        return first
    if first.shape[1:] != second.shape[1:]:
        raise DataError(f"Batches must be of one shape to be joined, found {first.shape[1:]} and {second.shape[1:]}.")
    return torch.cat([first, second])
