"""Ctrl-C, and a scheduler's SIGTERM, as a request: training stops between two steps, after a checkpoint."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """Training stopped on request; a checkpoint holds what was under way."""


@contextmanager
def on_interrupt(flag: ctypes.c_bool) -> Iterator[None]:
    """Set the flag at the first SIGINT or SIGTERM while the context lasts; a second one acts as usual.

    The flag is a plain byte: whatever takes a lock could wait for the very code that the signal broke off. Signals
    reach the main thread of Python alone; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = _handlers()

    def handle(kind: int, frame: FrameType | None) -> None:
        flag.value = True
        _install(usual)

    _install(dict.fromkeys(_KINDS, handle))
    try:
        yield
    finally:
        _install(usual)


@contextmanager
def ignored_signals() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM, also in processes started meanwhile. For the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = _handlers()
    _install(dict.fromkeys(_KINDS, signal.SIG_IGN))
    try:
        yield
    finally:
        _install(usual)


@contextmanager
def postponed_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the context ends. For the main thread; elsewhere this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual, came = _handlers(), list[int]()
    _install(dict.fromkeys(_KINDS, lambda kind, frame: came.append(kind)))
    try:
        yield
    finally:
        _install(usual)
        for kind in came:
            signal.raise_signal(kind)


_KINDS = (signal.SIGINT, signal.SIGTERM)
_Handlers = Mapping[signal.Signals, Any]


def _handlers() -> _Handlers:
    return {kind: signal.getsignal(kind) for kind in _KINDS}


def _install(handlers: _Handlers) -> None:
    for kind, handler in handlers.items():
        signal.signal(kind, handler)
