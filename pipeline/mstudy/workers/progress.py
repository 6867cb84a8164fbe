"""Lines on stderr that say how much of some work is done."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from mstudy.core.boundary import print_or_drop


class Progress:
    """Counts units of work done out of `total`. Where its stream takes nothing, it falls silent."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label, self._total = label, total
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._terminal = _is_terminal(self._stream)
        self._done = self._tenths = 0
        self._start = time.monotonic()

    def advance(self, units: int) -> None:
        """Report `units` more as done."""
        self._done += units
        tenths = 10 * self._done // max(self._total, 1)
        if self._terminal or tenths > self._tenths or self._done == self._total:
            self._tenths = tenths
            self._print()

    def _print(self) -> None:
        elapsed = time.monotonic() - self._start
        left = elapsed * (self._total - self._done) / max(self._done, 1)
        text = f"{self._label}: {self._done} of {self._total}, {elapsed:.0f} s, about {left:.0f} s left"
        end = "\n" if not self._terminal or self._done == self._total else ""
        lead = "\r\x1b[K" if self._terminal else ""
        if self._stream is not None and not print_or_drop(f"{lead}{text}", end, self._stream):
            self._stream = None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):  # a stream that is closed
        return False
