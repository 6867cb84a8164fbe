"""What a user's module and functions hold, noted before a measurement and put back after it."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from mstudy.probe.without_trace.random_states import GENERATORS, generator_undo
from mstudy.probe.without_trace.undo import Undo, container_undo, mapping_undo, tensor_undo

_MAX_DEPTH = 3  # of containers in containers, and of functions that call functions
_MAX_TENSOR_NUMBERS = 1_000_000  # a larger tensor of the user's, which may be the data set, is not copied
_MAX_SEARCHED_PARTS = 256  # of a container; a longer one is noted, and its parts are not searched
_CONTAINERS = {dict, OrderedDict, defaultdict, Counter, list, set, deque}
# Of these types by name, since it takes torch long to say what is a parameter.
_PLAIN = {
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    type(None),
    type,
    ModuleType,
    BuiltinFunctionType,
    torch.dtype,
    nn.Parameter,
}
_LIBRARIES = {"torch", "numpy", "mstudy"}  # their functions keep nothing of a user's


class KeptState:
    """Notes the state of these when it is made; `restore` puts it back.

    It knows of the attributes of a module's parts, among them its hooks, modes, parameters and buffers; of containers
    and tensors in them; of variables that a function takes from around it; and of random generators. What a user's code
    changes elsewhere, as in a file, stays changed.

    apart: tensors that are looked after elsewhere.
    """

    def __init__(self, holders: Iterable[Any], apart: Iterable[Tensor] = ()) -> None:
        # By id; it also keeps the object alive, so that the id stays its own.
        self._seen: dict[int, Any] = {id(tensor): tensor for tensor in apart}
        self._undo: list[Undo] = []
        self._rewind: list[Undo] = []
        for holder in holders:
            self._note(holder, 0)

    def restore(self) -> None:
        """Put everything back."""
        for undo in (*self._undo, *self._rewind):
            undo()

    def rewind(self) -> None:
        """Let the random generators draw again what they draw first."""
        for undo in self._rewind:
            undo()

    def _note(self, value: Any, depth: int) -> None:
        if type(value) in _PLAIN or depth > _MAX_DEPTH or id(value) in self._seen or isinstance(value, type):
            return
        self._seen[id(value)] = value
        if isinstance(value, nn.Module):
            self._note_module(value, depth)
        elif isinstance(value, Tensor):
            if value.layout == torch.strided and value.numel() <= _MAX_TENSOR_NUMBERS:
                self._undo.append(tensor_undo(value))
        elif isinstance(value, GENERATORS):
            self._rewind.append(generator_undo(value))
        elif type(value) in _CONTAINERS or isinstance(value, tuple):
            self._note_container(value, depth)
        elif callable(value) or isinstance(value, SimpleNamespace):
            self._note_callable(value, depth)

    def _note_module(self, module: nn.Module, depth: int) -> None:
        parts = [part for part in module.modules() if part is module or id(part) not in self._seen]
        self._seen |= {id(part): part for part in parts}
        for part in parts:
            if _is_of_library(type(part)):  # only hooks can write to it
                self._undo.append(mapping_undo(vars(part)))
                for hooks in (part._forward_hooks, part._forward_pre_hooks):
                    self._note_container(hooks, depth)
            else:
                self._note_attributes(part, depth)
                self._note(type(part).forward, depth + 1)

    def _note_attributes(self, holder: Any, depth: int) -> None:
        attributes = vars(holder)
        self._undo.append(mapping_undo(attributes))
        for value in list(attributes.values()):
            if type(value) not in _PLAIN:
                self._note(value, depth + 1)

    def _note_container(self, value: Any, depth: int) -> None:
        if not isinstance(value, tuple):
            self._undo.append(container_undo(value))
        if len(value) <= _MAX_SEARCHED_PARTS:
            for part in list(value.values() if isinstance(value, dict) else value):
                self._note(part, depth + 1)

    def _note_callable(self, value: Any, depth: int) -> None:
        if isinstance(value, MethodType):
            self._note_owner(value.__self__, depth)
            value = value.__func__
        if isinstance(value, FunctionType):
            self._note_function(value, depth)
        elif isinstance(value, partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self._note(part, depth + 1)
        elif isinstance(getattr(value, "__dict__", None), dict):
            self._note_attributes(value, depth)
            self._note(vars(type(value)).get("__call__"), depth + 1)

    def _note_owner(self, owner: Any, depth: int) -> None:
        """Note what a method belongs to, even if it cannot be called itself."""
        if isinstance(owner, nn.Module):
            self._note(owner, depth)
        elif isinstance(getattr(owner, "__dict__", None), dict) and id(owner) not in self._seen:
            self._seen[id(owner)] = owner
            self._note_attributes(owner, depth)

    def _note_function(self, function: FunctionType, depth: int) -> None:
        if _is_of_library(function) or "site-packages" in function.__code__.co_filename:
            return
        for cell in function.__closure__ or ():
            self._note_cell(cell, depth)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._note(value, depth + 1)
        outside = function.__globals__
        names = [name for name in function.__code__.co_names if name in outside]
        values = {name: outside[name] for name in names if not isinstance(outside[name], ModuleType | type)}
        self._undo.append(partial(outside.update, values))
        for value in (*values.values(), *vars(function).values()):
            self._note(value, depth + 1)

    def _note_cell(self, cell: CellType, depth: int) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            return
        self._undo.append(partial(setattr, cell, "cell_contents", value))
        self._note(value, depth + 1)


def _is_of_library(named: type | FunctionType) -> bool:
    return (named.__module__ or "").partition(".")[0] in _LIBRARIES
