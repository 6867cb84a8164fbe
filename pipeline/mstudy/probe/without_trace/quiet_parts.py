"""Parts of a module that draw dropout, and hooks on gradients, silent while a measurement lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as hooks_of_all
from torch.nn.modules.dropout import _DropoutNd

_POWER_ITERATIONS = ("SpectralNorm", "_SpectralNorm")  # classes of torch: in training they write what they then use
_DROPPING_NAMES = ("drop", "stochasticdepth")  # in the name of a class that drops what it is given, as DropPath does


@contextmanager
def quiet_parts(module: nn.Module) -> Iterator[None]:
    """Turn dropout off, and hooks of backward passes, which may change a gradient or count it.

    All other parts stay in the mode that they are in. The caller puts the attributes of the parts back.
    """
    for part in module.modules():
        if is_dropout(part) or _iterates(part):
            part.training = False
        if isinstance(part, nn.RNNBase):
            part.dropout = 0.0
        if part._backward_hooks:
            part._backward_hooks = OrderedDict()
        if part._backward_pre_hooks:
            part._backward_pre_hooks = OrderedDict()
    of_all = (hooks_of_all._global_backward_hooks, hooks_of_all._global_backward_pre_hooks)
    noted = [dict(hooks) for hooks in of_all]
    for hooks in of_all:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, before in zip(of_all, noted, strict=True):
            hooks.update(before)


def forward_hooks_of_all() -> list[Any]:
    """Return the hooks on the forward passes of all modules."""
    return [*hooks_of_all._global_forward_hooks.values(), *hooks_of_all._global_forward_pre_hooks.values()]


def _iterates(part: nn.Module) -> bool:
    """Return whether a forward pass in training takes one more step of a power iteration, which no derivative sees."""
    return any(type(each).__name__ in _POWER_ITERATIONS for each in (part, *part._forward_pre_hooks.values()))


def is_dropout(part: nn.Module) -> bool:
    """Return whether the part, as such, drops some of what it is given."""
    name = type(part).__name__.lower()
    drops = any(each in name for each in _DROPPING_NAMES)
    return isinstance(part, _DropoutNd) or (drops and not any(True for _ in part.children()))
