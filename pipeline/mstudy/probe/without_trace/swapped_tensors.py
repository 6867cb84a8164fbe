"""Copies of a module's parameters and buffers, in their places while a measurement lasts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class SwappedTensors:
    """A context manager that puts copies in the places of all tensors of a module, and then the tensors back.

    dtype: of floating point copies. `replaced` says by id of a tensor what stands for it.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self._places = list(places(module))
        self._buffers = [place for place in self._places if not isinstance(place[2], nn.Parameter)]
        self._dtype = dtype
        self._places_of: dict[int, list[tuple[Any, str]]] = {}
        for tensors, name, tensor in self._places:
            self._places_of.setdefault(id(tensor), []).append((tensors, name))
        self._versions: dict[int, int] = {}
        self.replaced: dict[int, Tensor] = {}

    def __enter__(self) -> SwappedTensors:
        self.replaced = {id(tensor): _copied(tensor, self._dtype) for _, _, tensor in self._places}
        self._versions = {key: copy._version for key, copy in self.replaced.items()}
        for tensors, name, tensor in self._places:
            tensors[name] = self.replaced[id(tensor)]
        return self

    def __exit__(self, *_: object) -> None:
        for tensors, name, tensor in self._places:
            tensors[name] = tensor

    def put(self, parameter: nn.Parameter, part: Tensor) -> None:
        """Let `part` stand for the parameter."""
        self.replaced[id(parameter)] = part
        for tensors, name in self._places_of[id(parameter)]:
            tensors[name] = part

    def renew_buffers(self) -> None:
        """Forget what a forward pass wrote to buffers, so that each begins alike."""
        for tensors, name, tensor in self._buffers:
            copy = self.replaced[id(tensor)]
            if copy._version != self._versions[id(tensor)]:
                copy = self.replaced[id(tensor)] = _copied(tensor, self._dtype)
                self._versions[id(tensor)] = copy._version
            tensors[name] = copy


def places(module: nn.Module) -> Iterator[tuple[Any, str, Tensor]]:
    """Yield where the module looks for its parameters and buffers: (dictionary, key there, tensor)."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    yield tensors, name, tensor


def in_precision(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    """Return the dtype that the tensor has where floating point numbers are of `dtype`."""
    if tensor.is_complex():
        return dtype.to_complex()
    return dtype if tensor.is_floating_point() else tensor.dtype


def as_real(tensor: Tensor) -> Tensor:
    """Return the tensor, a complex number as two real ones in a last dimension."""
    return torch.view_as_real(tensor.detach().resolve_conj()) if tensor.is_complex() else tensor


def _copied(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a copy; parameters share their memory where they may, since nobody writes to them."""
    return tensor.detach().to(in_precision(tensor, dtype), copy=not isinstance(tensor, nn.Parameter))
