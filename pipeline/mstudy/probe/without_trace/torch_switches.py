"""Switches of torch that a measurement needs, for as long as it lasts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import checkpoint

_FULL = ("none", "ieee")  # precisions of float32 in which no digit is dropped


@contextmanager
def exact_second_derivatives(device: torch.device) -> Iterator[None]:
    """Make torch compute in full precision, uncompiled, and record what a second derivative needs.

    Autocast does nothing, wherever it is entered, and products of float32 are not rounded to TF32 or bfloat16.
    Attention runs by plain matrix products, and compiled parts run as plain ones: fused and compiled code has no second
    derivative. A checkpoint is a plain call, since a reentrant one cuts the graph.
    """
    with ExitStack() as stack:
        for name in {"cpu", device.type}:
            stack.enter_context(torch.autocast(name, enabled=False))
        stack.enter_context(_autocast_inert())
        stack.enter_context(_full_float32())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(_without_checkpoints())
        stack.enter_context(torch.enable_grad())
        if "torch._dynamo" in sys.modules:  # else nothing is compiled, and its import takes seconds
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def _autocast_inert() -> Iterator[None]:
    """Let nobody in this thread turn autocast on."""
    switch, thread = torch.set_autocast_enabled, threading.get_ident()

    def only_elsewhere(*args: Any) -> None:
        if threading.get_ident() != thread:
            switch(*args)

    with _replaced(torch, "set_autocast_enabled", only_elsewhere):
        yield


@contextmanager
def _full_float32() -> Iterator[None]:
    """Let products of float32 keep all digits, on every device."""
    kinds = [kind for kind in _products() if kind.fp32_precision not in _FULL]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def _products() -> Iterator[Any]:
    """Yield where torch keeps the precision of each kind of product, of a device that is there."""
    on_cpu: Any = torch.backends.mkldnn
    on_gpu: Any = torch.backends.cudnn
    yield from (on_cpu.matmul, on_cpu.conv, on_cpu.rnn)
    if torch.cuda.is_available():
        yield from (torch.backends.cuda.matmul, on_gpu.conv, on_gpu.rnn)


@contextmanager
def _without_checkpoints() -> Iterator[None]:
    def plainly(function: Any, preserve: bool, *args: Any) -> Any:
        return function(*args)

    def nothing_noted(*_: Any, **__: Any) -> Iterator[None]:
        yield

    with (
        _replaced(checkpoint.CheckpointFunction, "apply", plainly),
        _replaced(checkpoint, "_checkpoint_without_reentrant_generator", nothing_noted),
    ):
        yield


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while."""
    own, before = name in vars(holder), getattr(holder, name)
    setattr(holder, name, staticmethod(value) if isinstance(holder, type) else value)
    try:
        yield
    finally:
        if own:
            setattr(holder, name, before)
        else:
            delattr(holder, name)
