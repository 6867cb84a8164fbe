"""Ctrl-C, and a scheduler's SIGTERM, as a request: training stops between two steps, after a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Training stopped on request; a checkpoint holds what was under way."""


@contextmanager
def on_interrupt(request: Callable[[], None]) -> Iterator[None]:
    """Within, the first SIGINT or SIGTERM calls `request`; a second one acts as usual.

    Signals reach the main thread of Python alone; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    usual = {kind: signal.getsignal(kind) for kind in kinds}

    def restore() -> None:
        for kind, handler in usual.items():
            signal.signal(kind, handler)

    def handle(kind: int, frame: FrameType | None) -> None:
        restore()
        request()

    for kind in kinds:
        signal.signal(kind, handle)
    try:
        yield
    finally:
        restore()
