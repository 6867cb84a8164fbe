"""Functions that put one object back to what it held."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

Undo = Callable[[], object]


def mapping_undo(mapping: dict[str, Any]) -> Undo:
    """Return what puts the entries of a dictionary back, in their order."""
    noted = dict(mapping)

    def undo() -> None:
        if mapping.keys() != noted.keys() or any(mapping[key] is not value for key, value in noted.items()):
            mapping.clear()
            mapping.update(noted)

    return undo


def container_undo(value: Any) -> Undo:
    """Return the same of a dictionary, list, set or deque."""
    return mapping_undo(value) if isinstance(value, dict) else partial(_refill, value, list(value))


def _refill(value: Any, parts: list[Any]) -> None:
    if len(value) == len(parts) and all(now is before for now, before in zip(value, parts, strict=True)):
        return
    value.clear()
    add = value.update if isinstance(value, set) else value.extend
    add(parts)


def tensor_undo(tensor: Tensor) -> Undo:
    """Return what puts the numbers of a tensor back, if they were written to."""
    noted, version = tensor.detach().clone(), tensor._version

    def undo() -> None:
        if tensor._version != version:
            with torch.no_grad():
                tensor.copy_(noted)

    return undo
