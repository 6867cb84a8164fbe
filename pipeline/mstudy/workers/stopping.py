"""Ctrl-C, and a scheduler's SIGTERM, as a request: a unit of work that asks for it ends where it can go on later."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """A unit of work ended on request; a checkpoint holds what was under way."""


_KINDS = (signal.SIGINT, signal.SIGTERM)
# What a terminal, or SLURM, sends to every process of a job; only the first of them answers.
_SENT_TO_ALL = [kind for kind in signal.Signals if kind.name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")]
# Not every system has the second.
_END_SIGNALS = [kind for kind in signal.Signals if kind.name in ("SIGTERM", "SIGHUP")]
_heard = [ctypes.c_bool(False)]  # the flags that units of this process ask for, the last of them now


def stop_requested() -> bool:
    """Return whether the unit that asks is to end early."""
    return _heard[-1].value


def listen(flag: ctypes.c_bool) -> None:
    """Let the units of this process ask for this flag from now on."""
    _heard.append(flag)


@contextmanager
def listening(flag: ctypes.c_bool) -> Iterator[None]:
    """Let the units of this process ask for this flag while the context lasts."""
    listen(flag)
    try:
        yield
    finally:
        _heard.remove(flag)


@contextmanager
def on_interrupt(flag: ctypes.c_bool) -> Iterator[None]:
    """Set the flag at the first SIGINT or SIGTERM while the context lasts; a second one acts as usual.

    The flag is a plain byte: whatever takes a lock could wait for the very code that the signal broke off. Signals
    reach the main thread of Python alone; elsewhere this does nothing.
    """
    if not _in_main_thread():
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
    """Ignore what is sent to all processes, also in those started meanwhile. For the main thread only."""
    if not _in_main_thread():
        yield
        return
    usual = _handlers(_SENT_TO_ALL)
    _install(dict.fromkeys(_SENT_TO_ALL, signal.SIG_IGN))
    try:
        yield
    finally:
        _install(usual)


@contextmanager
def postponed_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the context ends. For the main thread; elsewhere this does nothing.

    A process that is spawned meanwhile keeps them blocked until it ignores them.
    """
    if not _in_main_thread():
        yield
        return
    usual, came = _handlers(), list[int]()
    _install(dict.fromkeys(_KINDS, lambda kind, frame: came.append(kind)))
    try:
        with _blocked_signals():
            yield
    finally:
        _install(usual)
        for kind in came:
            signal.raise_signal(kind)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # not a Unix
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _KINDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore for good what comes to a whole group of processes: only the parent answers."""
    for kind in _SENT_TO_ALL:
        signal.signal(kind, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _KINDS)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Undo what the body changes in how signals are handled. For the main thread; elsewhere this does nothing."""
    if not _in_main_thread():
        yield
        return
    usual = _handlers()
    try:
        yield
    finally:
        _install(usual)


@contextmanager
def ends_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP while the context lasts, unless the caller ignores or handles them.

    Signals reach the main thread of Python alone; elsewhere this does nothing.
    """
    usual = [kind for kind in _END_SIGNALS if _in_main_thread() and signal.getsignal(kind) == signal.SIG_DFL]
    for kind in usual:
        signal.signal(kind, signal.default_int_handler)
    try:
        yield
    finally:
        for kind in usual:
            signal.signal(kind, signal.SIG_DFL)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_Handlers = Mapping[signal.Signals, Any]


def _handlers(kinds: Iterable[signal.Signals] = _KINDS) -> _Handlers:
    return {kind: signal.getsignal(kind) for kind in kinds}


def _install(handlers: _Handlers) -> None:
    for kind, handler in handlers.items():
        signal.signal(kind, handler)
